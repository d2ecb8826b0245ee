"""What a run leaves behind, as plain values: the ledger, who asked for what, the agents' journals and effects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OPEN = frozenset({"QUEUED", "SENT"})
ANSWERED = frozenset({"SUCCEEDED", "FAILED", "REJECTED"})
UNKNOWN = frozenset({"TIMED_OUT", "CANCELED"})
"""Ended, and the command may have taken effect all the same: an ack still lands."""


@dataclass(frozen=True, slots=True)
class Step:
    at: float
    state: str
    process: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the ledger; times in seconds since 1970."""

    id: str
    client: str
    command: str
    state: str
    steps: tuple[Step, ...]
    attempt: int = 1
    max_attempts: int = 3
    offline: str = "fail"
    seen: bool = False
    late: bool = False
    claim: str | None = None
    dedupe_key: str | None = None
    superseded_by: str | None = None
    due_at: float | None = None
    expires_at: float | None = None
    created_at: float = 0.0
    sent_at: float | None = None
    finished_at: float | None = None
    acked_at: float | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Row":
        steps = tuple(Step(*step) for step in document["steps"])
        return cls(**{**document, "steps": steps})


@dataclass(frozen=True, slots=True)
class Issued:
    """What the commander was told: this command is on record."""

    id: str
    client: str
    command: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """A handler ran to its end."""

    client: str
    command: str
    verb: str
    life: int = 0
    """Which life of the agent's process it was; effects are listed in the order in which they happened."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that an agent finished, as its journal has it."""

    client: str
    command: str
    success: bool
    settled: bool
    """The server said that it is in the ledger."""


@dataclass(frozen=True, slots=True)
class Evidence:
    rows: tuple[Row, ...]
    issued: tuple[Issued, ...] = ()
    uncertain: frozenset[str] = frozenset()
    """Ids the commander had chosen when it was killed or refused: they may be on record or not."""
    effects: tuple[Effect, ...] = ()
    entries: tuple[Entry, ...] = ()
    presenting: frozenset[str] = frozenset()
    """Clients that have presented their journals after everything else had come to rest."""
    idempotent: frozenset[str] = frozenset()
    """Commands that may run again after a crash of the agent has cut them off."""
    now: float = 0.0
    quiet: bool = True
    """Every client was connected long enough for everything to end."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """Rows by state, as the database counts them."""
