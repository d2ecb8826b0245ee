"""How measuring processes say what they measured: one JSON line each."""

import json
import statistics
import sys
from typing import Any

MARK = "figures: "


def tell(**figures: Any) -> None:
    sys.stdout.write(MARK + json.dumps(figures) + "\n")
    sys.stdout.flush()


def told(text: str) -> list[dict[str, Any]]:
    """Everything that a process has told so far."""
    return [json.loads(line.removeprefix(MARK)) for line in text.splitlines() if line.startswith(MARK)]


def quantile(values: list[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: list[float]) -> float:
    return statistics.median(values)
