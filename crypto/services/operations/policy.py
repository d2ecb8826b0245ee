"""How an operation goes about it: limits, waves, gates and thresholds."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from crypto.exceptions import InvalidParameters
from crypto.models import Offline
from crypto.models.command_log import FAILURES
from crypto.services.ledger.issue import EXPIRIES, EXPIRY, TIMEOUTS

PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)%")
MAX_WAVES = 50
Share = int | str
"""A count, or a percentage of all targets as text: 25 or "10%"."""


@dataclass(frozen=True, slots=True)
class Policy:
    window: int | None = None
    """Commands released and not ended at any time; None: no limit."""
    rate: float | None = None
    """Commands released a second; None: no limit."""
    waves: tuple[Share, ...] = ()
    """Sizes of the first waves; one more takes what is left. A wave begins when the one before is over."""
    gate: float = 0.9
    """What part of a wave must have succeeded for the next to begin by itself; else the operation pauses."""
    abort: Mapping[str, Share] = field(default_factory=dict)
    """By kind of failure: how many end the operation."""
    offline: Offline = Offline.SKIP
    timeout: float | None = None
    """Seconds each attempt waits for its ack; None: the command's own."""
    expires_in: float = EXPIRY.total_seconds()
    """Seconds after which what was not delivered ends."""

    @classmethod
    def parse(cls, values: object) -> "Policy":
        """Raises InvalidParameters, which names each field at fault."""
        if not isinstance(values, Mapping):
            raise InvalidParameters({"policy": ["Must be an object."]})
        good: dict[str, Any] = {}
        errors: dict[str, list[str]] = {}
        for name, value in values.items():
            try:
                if name not in CHECKS:
                    raise ValueError(f"Unknown field; known are {', '.join(CHECKS)}.")
                if value is not None:
                    good[name] = CHECKS[name](value)
            except ValueError as error:
                errors[f"policy.{str(name)[:40]}"] = [str(error)]
        if errors:
            raise InvalidParameters(errors)
        return cls(**good)

    @property
    def limited(self) -> bool:
        """Whether rows are released bit by bit."""
        return bool(self.window or self.rate or self.waves)

    @property
    def as_json(self) -> dict[str, Any]:
        """Only what differs from the default; `parse` gives the policy back."""
        values = {name: getattr(self, name) for name in CHECKS}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value != getattr(DEFAULT, name)
        }

    def sizes(self, targets: int) -> list[int]:
        """How many each wave takes of so many targets."""
        left, sizes = targets, []
        for wave in self.waves:
            sizes.append(min(left, max(1, count(wave, targets))))
            left -= sizes[-1]
        return [size for size in [*sizes, left] if size] or [0]

    @property
    def expiry(self) -> timedelta:
        return timedelta(seconds=self.expires_in)


def count(share: Share, targets: int) -> int:
    """Rounded up, so that 1 % of ten is one."""
    if isinstance(share, int):
        return share
    return int(-(-float(share.removesuffix("%")) * targets // 100))


def _number(low: float, high: float, unit: str = "") -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"Must be a number between {low:g} and {high:g}{unit}.")
        return float(value)

    return check


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"Must be a whole number between {low} and {high}.")
        return value

    return check


def _share(value: Any) -> Share:
    if isinstance(value, str) and (match := PERCENT.fullmatch(value)) and 0 < float(match[1]) <= 100:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000:
        return value
    raise ValueError('Must be a count from 1, or a percentage such as "10%".')


def _waves(value: Any) -> tuple[Share, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_WAVES:
        raise ValueError(f'Must be a list of at most {MAX_WAVES} sizes such as [5, "10%"].')
    return tuple(_share(size) for size in value)


def _abort(value: Any) -> dict[str, Share]:
    if not isinstance(value, Mapping) or not set(value) <= set(FAILURES):
        raise ValueError(f'Must be an object such as {{"FAILED": "5%"}} with keys of {", ".join(FAILURES)}.')
    return {kind: _share(share) for kind, share in value.items()}


def _offline(value: Any) -> Offline:
    if value not in Offline.values:
        raise ValueError(f"Must be one of {', '.join(Offline.values)}.")
    return Offline(value)


CHECKS: dict[str, Callable[[Any], Any]] = {
    "window": _whole(1, 1_000_000),
    "rate": _number(0.01, 1_000_000, " a second"),
    "waves": _waves,
    "gate": _number(0, 1),
    "abort": _abort,
    "offline": _offline,
    "timeout": _number(*TIMEOUTS, " seconds"),
    "expires_in": _number(EXPIRIES[0].total_seconds(), EXPIRIES[1].total_seconds(), " seconds"),
}
DEFAULT = Policy()
