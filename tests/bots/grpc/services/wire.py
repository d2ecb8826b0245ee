"""Between the core's orders and outcomes and the bots' messages, both ways."""

from collections.abc import Iterator
from typing import Any

import grpc

from crypto.grpc.streaming import ControlProtocol, Order, Outcome, OutcomeKind
from tests.bots.wire import bots_pb2
from tests.bots.wire.bots_pb2 import Batch, BotCommand, Reply
from tests.bots.wire.bots_pb2_grpc import BotStreamingStub


class BotControlProtocol(ControlProtocol[BotCommand]):
    """`unclaimed` keeps what came too late."""

    def __init__(self) -> None:
        self.unclaimed: list[Outcome] = []

    def open(self, channel: grpc.aio.Channel) -> Any:
        return BotStreamingStub(channel).Control()

    def pack(self, orders: list[Order[BotCommand]]) -> Batch:
        return Batch(
            orders=[
                bots_pb2.Order(
                    bot_id=order.client_id,
                    command=order.command,
                    timeout_ms=int(order.timeout * 1_000),
                    conflict_class=order.conflict_class,
                )
                for order in orders
            ]
        )

    def unpack(self, reply: Reply) -> Iterator[Outcome]:
        for outcome in reply.outcomes:
            ack = outcome.ack if outcome.HasField("ack") else None
            kind = OutcomeKind(outcome.kind)
            yield Outcome(outcome.bot_id, outcome.command_id, kind, ack, outcome.reason)

    def on_unclaimed(self, outcomes: list[Outcome]) -> None:
        self.unclaimed += outcomes


def unpack_orders(batch: Batch) -> Iterator[Order[BotCommand]]:
    for order in batch.orders:
        command = order.command
        yield Order(order.bot_id, command.command_id, command, order.timeout_ms / 1_000, order.conflict_class)


def pack_outcomes(outcomes: list[Outcome]) -> Reply:
    return Reply(
        outcomes=[
            bots_pb2.Outcome(
                bot_id=outcome.client_id,
                command_id=outcome.command_id,
                kind=outcome.kind.value,
                ack=outcome.ack,
                reason=outcome.reason,
            )
            for outcome in outcomes
        ]
    )
