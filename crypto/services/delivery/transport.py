"""Sending orders to streaming nodes: by this process' courier, or directly to streams that this process holds."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from crypto.grpc.streaming import ControlProtocol, Courier, Outcome, OutcomeKind, get_streaming_service
from crypto.ids import canonical_id
from crypto.services import conversion
from crypto.services.batching import Batcher
from crypto.services.ledger.attempt import CryptoOrder
from crypto.services.ledger.settle import record_acks
from crypto.wire.crypto_streaming_pb2 import AckBatch, CommandBatch, CommandOrder, DjangoCommand
from crypto.wire.crypto_streaming_pb2 import Outcome as WireOutcome
from crypto.wire.crypto_streaming_pb2_grpc import CryptoStreamingServiceStub

SERVICE = "crypto"
"""The name under which the process that holds the streams registers its streaming service."""

_late = Batcher("late acks", record_acks)

KINDS: dict[int, OutcomeKind] = {
    WireOutcome.OUTCOME_ACKED: OutcomeKind.ACKED,
    WireOutcome.OUTCOME_HANDED_OVER: OutcomeKind.HANDED_OVER,
    WireOutcome.OUTCOME_NOT_CONNECTED: OutcomeKind.NOT_CONNECTED,
    WireOutcome.OUTCOME_NOT_HANDED_OVER: OutcomeKind.NOT_HANDED_OVER,
    WireOutcome.OUTCOME_TIMED_OUT: OutcomeKind.TIMED_OUT,
    WireOutcome.OUTCOME_CONNECTION_LOST: OutcomeKind.CONNECTION_LOST,
    WireOutcome.OUTCOME_INVALID: OutcomeKind.INVALID,
}


def submit(address: str, orders: list[CryptoOrder], on_outcomes: Callable[[list[Outcome]], None]) -> None:
    """Send orders to the node at `address`. `on_outcomes` gets the outcome of each once, on some other thread.

    Blocks while the courier has too many orders in flight.
    """
    service = get_streaming_service(SERVICE)
    if service is not None:
        here = [order for order in orders if service.is_client_connected(order.client_id)]
        if here:
            service.execute_soon(here, on_outcomes)
            kept = {id(order) for order in here}
            orders = [order for order in orders if id(order) not in kept]
    if orders:
        courier().submit(address, orders, on_outcomes)


class CryptoControlProtocol(ControlProtocol[DjangoCommand]):
    """Orders and outcomes as `CommandBatch` and `AckBatch`."""

    def open(self, channel: Any) -> Any:
        return CryptoStreamingServiceStub(channel).ExecuteCommands()

    def pack(self, orders: Iterable[CryptoOrder]) -> CommandBatch:
        return CommandBatch(
            orders=[
                CommandOrder(
                    client_id=order.client_id,
                    command=order.command,
                    timeout_ms=round(order.timeout * 1000),
                    conflict_class=order.conflict_class,
                )
                for order in orders
            ]
        )

    def unpack(self, reply: AckBatch) -> list[Outcome]:
        return [
            Outcome(o.client_id, o.command_id, KINDS.get(o.outcome, OutcomeKind.TIMED_OUT), o.ack, o.reason)
            for o in reply.outcomes
        ]

    def on_unclaimed(self, outcomes: list[Outcome]) -> None:
        """Store acks that arrive after the courier gave up their orders."""
        acks = [
            conversion.ack(UUID(canonical_id(o.client_id)), o.ack)
            for o in outcomes
            if o.kind is OutcomeKind.ACKED
        ]
        if acks:
            _late.put_many(acks)


@lru_cache(maxsize=1)
def courier() -> Courier[DjangoCommand]:
    """This process' courier, made on first use so that no channel is older than a fork."""
    return Courier(CryptoControlProtocol())
