"""Which fault when: drawn from the seed alone, so that a run can be repeated."""

import random
from dataclasses import dataclass

KINDS: dict[str, tuple[float, float]] = {
    "worker_killed": (0.2, 2),
    "node_killed": (0.2, 3),
    "scheduler_killed": (0.2, 3),
    "agents_killed": (0.2, 3),
    "commander_killed": (0.1, 1),
    "worker_frozen": (6, 9),
    "node_frozen": (4, 7),
    "scheduler_frozen": (4, 7),
    "agents_frozen": (3, 8),
    "redis_killed": (0.5, 4),
    "redis_emptied": (0, 0),
    "redis_full": (2, 6),
    "agents_cut": (0, 0),
    "agents_cut_mid_ack": (0, 0),
    "control_cut": (0, 0),
    "control_cut_mid_ack": (0, 0),
    "rung_twice": (0, 0),
    "clock_ahead": (4, 8),
}
"""Each kind with the bounds of its length in seconds."""


@dataclass(frozen=True, slots=True)
class Fault:
    at: float
    """Seconds after the beginning."""
    kind: str
    lot: int
    """Chooses the victim where there are several."""
    seconds: float


def schedule(seed: int, seconds: float, pause: float, kinds: tuple[str, ...] = tuple(KINDS)) -> list[Fault]:
    """Faults `pause` seconds apart on average; each kind comes once before any comes twice."""
    lot = random.Random(f"faults/{seed}")
    faults: list[Fault] = []
    deck: list[str] = []
    at = lot.uniform(0, pause)
    while at < seconds and kinds:
        deck = deck or lot.sample(kinds, len(kinds))
        kind = deck.pop()
        faults.append(Fault(at, kind, lot.randrange(1_000_000), lot.uniform(*KINDS[kind])))
        at += lot.uniform(0.2, 1.8) * pause
    return faults
