"""What callers hand in and what they get back: an order for a client, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import Any, Generic, TypeVar

from crypto.exceptions import ClientNotConnectedError, CommandError, CommandTimeoutError

TCommand = TypeVar("TCommand")


@unique
class OutcomeKind(Enum):
    ACKED = "acked"
    """The client answered; the ack says how it went."""
    HANDED_OVER = "handed over"
    """Written to the client's stream; nobody waits for the ack."""
    NOT_CONNECTED = "not connected"
    """No stream of this client here. The client has not seen the command."""
    NOT_HANDED_OVER = "not handed over"
    """Refused or expired before it was written. The client has not seen the command."""
    TIMED_OUT = "timed out"
    """Written, no ack in time. Whether it took effect is unknown."""
    CONNECTION_LOST = "connection lost"
    """Written, then the connection broke. Whether it took effect is unknown."""
    INVALID = "invalid"
    """The order itself is malformed. The client has not seen the command."""


@dataclass(slots=True)
class Outcome:
    """How one order ended."""

    client_id: str
    command_id: str
    kind: OutcomeKind
    ack: Any = None
    """The service's own ack message; only with ACKED."""
    reason: str = ""

    def ack_or_raise(self) -> Any:
        """The ack, or the error that a caller who waits for it should see."""
        if self.kind is OutcomeKind.ACKED:
            return self.ack
        raise self.error()

    def error(self) -> CommandError:
        kind = self.kind
        text = f"command {self.command_id} to client {self.client_id}: {self.reason or kind.value}"
        if kind is OutcomeKind.NOT_CONNECTED:
            return ClientNotConnectedError(text)
        if kind in (OutcomeKind.TIMED_OUT, OutcomeKind.CONNECTION_LOST):
            return CommandTimeoutError(text)
        return CommandError(text)


@dataclass(slots=True)
class Order(Generic[TCommand]):
    """One command on its way to one client."""

    client_id: str
    command_id: str
    command: TCommand
    timeout: float = 0.0
    """Seconds to wait for the ack; 0: hand over and do not wait."""
    conflict_class: str = ""
    """Commands of one client that share a class run one after the other; empty: no ordering."""

    def ended(self, kind: OutcomeKind, reason: str = "") -> Outcome:
        """Its outcome where there is no ack."""
        return Outcome(self.client_id, self.command_id, kind, None, reason)


OnOutcome = Callable[[Outcome], None]
"""Called once for each order. It must not raise."""
OnOutcomes = Callable[[list[Outcome]], None]
"""The same for many orders: called with all that came together. It must neither block nor raise."""
