"""The counts of a fleet, and the file that shows them while it runs."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from crypto.agent.stats import Stats


def total(parts: Sequence[Stats]) -> dict[str, object]:
    """The counts of many clients added up."""
    numbers: dict[str, object] = {
        f.name: sum(getattr(part, f.name) for part in parts) for f in fields(Stats) if f.type is int
    }
    verbs: Counter[str] = Counter()
    for part in parts:
        verbs.update(part.verbs)
    return {**numbers, "verbs": dict(verbs)}


def write_document(path: Path, document: Mapping[str, object]) -> None:
    """Replaces the file as a whole: readers never see half of it."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document) + "\n")
    part.replace(path)
