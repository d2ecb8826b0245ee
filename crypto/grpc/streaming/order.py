"""One command on its way to one client."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from .outcome import Outcome, OutcomeKind

TCommand = TypeVar("TCommand")


@dataclass(slots=True)
class Order(Generic[TCommand]):
    client_id: str
    command_id: str
    command: TCommand
    timeout: float = 0.0
    """Seconds to wait for the ack; 0: hand over and do not wait."""
    conflict_class: str = ""
    """Commands of one client that share a class run one after the other; empty: no ordering."""

    def ended(self, kind: OutcomeKind, reason: str = "") -> Outcome:
        return Outcome(self.client_id, self.command_id, kind, None, reason)
