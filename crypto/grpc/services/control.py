"""The control plane's messages: orders in, outcomes out."""

from collections.abc import Iterator
from uuid import UUID

from crypto.grpc.streaming import Order, Outcome, OutcomeKind
from crypto.ids import canonical_id
from crypto.services import conversion
from crypto.services.delivery.transport import KINDS
from crypto.services.ledger.attempt import CryptoOrder
from crypto.services.ledger.settle import record_acks
from crypto.services.reports.inbox import Inbox
from crypto.wire.crypto_streaming_pb2 import AckBatch, CommandBatch, CommandOutcome

WIRE = {kind: number for number, kind in KINDS.items()}


def orders(batch: CommandBatch) -> Iterator[CryptoOrder | Outcome]:
    for order in batch.orders:
        command = order.command
        if command.command_id and command.WhichOneof("command") is not None:
            timeout = order.timeout_ms / 1000
            yield Order(order.client_id, command.command_id, command, timeout, order.conflict_class)
        else:
            reason = "the order has no command_id or no command"
            yield Outcome(order.client_id, command.command_id, OutcomeKind.INVALID, None, reason)


def reply(outcomes: list[Outcome]) -> AckBatch:
    return AckBatch(
        outcomes=[
            CommandOutcome(
                command_id=outcome.command_id,
                client_id=outcome.client_id,
                outcome=WIRE[outcome.kind],  # type: ignore[arg-type]  # an enum's numbers are its values
                ack=outcome.ack,
                reason=outcome.reason,
            )
            for outcome in outcomes
        ]
    )


async def keep_acks(inbox: Inbox, outcomes: list[Outcome]) -> None:
    """Settle acks that could not be passed on because their caller is gone."""
    for outcome in outcomes:
        if outcome.kind is OutcomeKind.ACKED:
            inbox.put(record_acks, conversion.ack(UUID(canonical_id(outcome.client_id)), outcome.ack))
