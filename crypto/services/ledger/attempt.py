"""One attempt, from its claim to its settlement."""

from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from crypto.commands import Command
from crypto.conf import conf
from crypto.grpc.streaming import Order
from crypto.models import CommandLog, State
from crypto.models.command_log import ANSWERED
from crypto.services.ledger.settle import Ack, FailedAttempt
from crypto.wire.crypto_streaming_pb2 import DjangoCommand

CryptoOrder = Order[DjangoCommand]


def lease(timeout: float) -> timedelta:
    """How long an attempt with this ack timeout, in seconds, keeps its row; then the sweeper ends it as unknown."""
    return timedelta(seconds=timeout + conf.lease_margin)


@dataclass(frozen=True, slots=True)
class Result:
    """What the caller of an inline command gets."""

    id: UUID
    state: State
    why: str = ""
    ack: Ack | None = None


def stored(row: CommandLog) -> Result:
    """The result of a command that was issued before, read from the ledger."""
    state, ack = State(row.state), None
    if state in ANSWERED:
        ack = Ack(
            row.id,
            row.client_id,
            state is State.SUCCEEDED,
            row.ack_message,
            row.ack_error,
            row.ack_status,
            row.ack_data,
            row.ack_at,
        )
    return Result(row.id, state, row.reason, ack)


@dataclass(slots=True, eq=False)
class Attempt:
    """A claimed row on its way to the client and back."""

    id: UUID
    client_id: UUID
    command: Command
    claim: UUID
    """Token of this attempt; a later attempt of the same row has another."""
    address: str
    """host:port of the streaming node."""
    timeout: float
    """Seconds to wait for the ack; 0: handing over is enough."""
    client_status: str = ""
    client_expected_status: str = ""
    """As they were when the row was claimed."""
    ended: Ack | FailedAttempt | None = None
    """Its result; None while it is in flight."""
    result: Future[Result] | None = None
    """For an inline caller; None for what came from a lane."""
    rerouted: bool = False
    """It was sent to a second node, because its client had moved there."""
    wire_id: str = ""
    """`command_id` on the wire where it is not the row's id."""

    @property
    def command_id(self) -> str:
        return self.wire_id or str(self.id)

    def order(self) -> CryptoOrder:
        wire = self.command.to_wire(self.command_id)
        return Order(str(self.client_id), wire.command_id, wire, self.timeout, self.command.conflict_class)
