"""The answer of a client to one command."""

from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from crypto.ids import read_uuid
from crypto.models import Cause, State

REJECTIONS = frozenset({"Rejected", "Unsupported"})
"""`error` of an ack which says that the client refuses the command and would refuse it again."""
UNKNOWN = "OutcomeUnknown"
"""`error` of the ack of a client that crashed while it ran the command and does not know the outcome."""

CAUSES = {
    State.SUCCEEDED: Cause.ACKED,
    State.FAILED: Cause.CLIENT_FAILED,
    State.REJECTED: Cause.CLIENT_REJECTED,
    State.TIMED_OUT: Cause.CLIENT_UNSURE,
}


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer of a client to one command, with the ledger's ids."""

    command_id: UUID
    client_id: UUID
    success: bool
    message: str = ""
    error: str = ""
    status: str = ""
    data: str = ""
    at: datetime | None = None
    """By the client's clock."""

    @property
    def state(self) -> State:
        if self.success:
            return State.SUCCEEDED
        if self.error == UNKNOWN:
            return State.TIMED_OUT
        return State.REJECTED if self.error in REJECTIONS else State.FAILED

    @property
    def cause(self) -> Cause:
        return CAUSES[self.state]

    @property
    def why(self) -> str:
        return "acked" if self.success else ": ".join(filter(None, (self.error, self.message))) or "failed"


def ledger_id(client_id: UUID, command_id: str) -> UUID:
    """The row's id for a `command_id` on the wire; foreign callers may choose ids that are not UUIDs."""
    return read_uuid(command_id) or uuid5(NAMESPACE_URL, f"{client_id}/{command_id}")
