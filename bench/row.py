"""One line of the table."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """Each round's figure beside the floor's of the same minute; the ratio is the median of theirs."""

    group: str
    database: str
    name: str
    unit: str
    ours: list[float]
    floor: list[float]
    at_least: float | None = None
    at_most: float | None = None
    """What the ratio is to reach; neither: the row is there for comparison."""

    @property
    def ratio(self) -> float:
        return median(ours / floor for ours, floor in zip(self.ours, self.floor, strict=True))

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return f"<= {self.at_most:g}" if self.at_most is not None else ""

    @property
    def met(self) -> bool | None:
        if self.at_least is not None:
            return self.ratio >= self.at_least
        return self.ratio <= self.at_most if self.at_most is not None else None

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": round(self.ratio, 3), "met": self.met}
