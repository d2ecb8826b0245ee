"""One session under random orders, acks, writes, deadlines and its end."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.grpc.streaming import Order, Outcome, OutcomeKind, Session, StreamingConfig
from crypto.grpc.streaming.close_reasons import LOST
from crypto.grpc.streaming.deadlines import Deadlines
from crypto.grpc.streaming.delivery import Stage
from tests.bots.wire.bots_pb2 import BotCommand, CommandAck, Start

UNSEEN = (OutcomeKind.NOT_HANDED_OVER, OutcomeKind.NOT_CONNECTED)
UNKNOWN = (OutcomeKind.CONNECTION_LOST, OutcomeKind.TIMED_OUT)


class Transport:
    """Takes one message at a time and only when told to, like a stream under flow control."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._gate = asyncio.Semaphore(0)
        self._writing = False

    async def write(self, command: BotCommand) -> None:
        assert not self._writing, "two writes at once"
        self._writing = True
        self.begun.append(command.command_id)
        await self._gate.acquire()
        self._writing = False

    def let_one_pass(self) -> None:
        self._gate.release()


async def session_on(transport: Any) -> Session:
    """Its handler's task is over: there is nobody to cancel."""
    config = StreamingConfig(outbox_limit=6, pending_limit=10)
    deadlines = Deadlines(asyncio.get_running_loop())

    async def handler() -> Session:
        return Session(config, deadlines, transport, lambda session: None, transport.write)

    return await asyncio.create_task(handler())


class World:
    """The session and, beside it, what must hold at every step."""

    def __init__(self, transport: Transport, session: Session) -> None:
        self.transport = transport
        self.session = session
        self.told: list[list[Outcome]] = []
        self.orders: list[Order[BotCommand]] = []
        self.acked: set[str] = set()

    @classmethod
    async def begin(cls) -> "World":
        transport = Transport()
        return cls(transport, await session_on(transport))

    def submit(self, number: int, waits: bool, conflict_class: str) -> None:
        command = BotCommand(command_id=f"c{number}", start=Start())
        order = Order("b1", command.command_id, command, 60.0 if waits else 0.0, conflict_class)
        outcomes: list[Outcome] = []
        self.orders.append(order)
        self.told.append(outcomes)
        self.session.submit(order, outcomes.append)

    def ack(self, number: int) -> None:
        self.acked.add(f"c{number}")
        self.session.acknowledge(f"c{number}", CommandAck(command_id=f"c{number}"))

    def expire(self, number: int) -> None:
        for delivery in list(self.session._pending.values()):
            if delivery.order.command_id == f"c{number}":
                delivery.expire()

    def check(self) -> None:
        for order, outcomes in zip(self.orders, self.told, strict=True):
            assert len(outcomes) <= 1
            for outcome in outcomes:
                self.check_outcome(order, outcome)
        running: dict[str, int] = {}
        for delivery in self.session._pending.values():
            if delivery.stage in (Stage.QUEUED, Stage.SENT) and delivery.order.conflict_class:
                name = delivery.order.conflict_class
                running[name] = running.get(name, 0) + 1
        assert all(count == 1 for count in running.values())

    def check_outcome(self, order: Order[BotCommand], outcome: Outcome) -> None:
        begun = order.command_id in self.transport.begun
        assert (outcome.client_id, outcome.command_id) == ("b1", order.command_id)
        if outcome.kind is OutcomeKind.ACKED:
            assert outcome.ack.command_id == order.command_id in self.acked
            assert order.timeout
        elif outcome.kind is OutcomeKind.HANDED_OVER:
            assert begun or order.command_id in self.acked
            assert not order.timeout
        elif outcome.kind in UNKNOWN:
            assert begun


async def turn() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


numbers = st.integers(0, 7)
steps = st.one_of(
    st.tuples(st.just("submit"), numbers, st.booleans(), st.sampled_from(["", "a", "b"])),
    st.tuples(st.just("ack"), numbers),
    st.tuples(st.just("expire"), numbers),
    st.tuples(st.just("pass")),
    st.tuples(st.just("pass")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=60))
def test_every_order_is_told_once_and_told_the_truth(script: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        world = await World.begin()
        acts: dict[str, Callable[..., None]] = {
            "submit": world.submit,
            "ack": world.ack,
            "expire": world.expire,
        }
        for name, *arguments in script:
            if name == "pass":
                world.transport.let_one_pass()
            else:
                acts[name](*arguments)
            await turn()
            world.check()
        begun = len(world.transport.begun)
        world.session.close(LOST)
        assert all(len(outcomes) == 1 for outcomes in world.told)
        world.check()
        for _ in range(20):
            world.transport.let_one_pass()
        await turn()
        assert len(world.transport.begun) == begun, "written after the end"
        assert world.session.quiet
        world.session._deadlines.close()

    asyncio.run(run())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(numbers, st.sampled_from(["", "a"])), min_size=1, max_size=6))
def test_what_is_unseen_was_never_written(wanted: list[tuple[int, str]]) -> None:
    async def run() -> None:
        world = await World.begin()
        for number, conflict_class in wanted:
            world.submit(number, True, conflict_class)
        await turn()
        world.session.close(LOST)
        for order, (outcome,) in zip(world.orders, world.told, strict=True):
            written = order.command_id in world.transport.begun
            assert written == (outcome.kind is OutcomeKind.CONNECTION_LOST)
            assert (not written) == (outcome.kind in UNSEEN)
        world.transport.let_one_pass()
        await turn()
        world.session._deadlines.close()

    asyncio.run(run())


async def test_a_broken_write_ends_the_session() -> None:
    class Broken:
        async def write(self, command: BotCommand) -> None:
            raise grpc.aio.UsageError("RPC already finished.")

    session = await session_on(Broken())
    outcomes: list[Outcome] = []
    session.submit(Order("b1", "c1", BotCommand(command_id="c1"), 5.0), outcomes.append)
    await turn()
    assert session.close_reason is LOST
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.CONNECTION_LOST]
    session._deadlines.close()
