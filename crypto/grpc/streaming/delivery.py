"""One order inside a session, until its last waiter has an outcome."""

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Protocol

from .order import Order
from .outcome import Outcome, OutcomeKind

Sink = Callable[[Outcome], None]


class Coalesced:
    """A sink that passes on, once per turn of the loop, everything that came in during the turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_outcomes: Callable[[list[Outcome]], None]) -> None:
        self._loop = loop
        self._on_outcomes = on_outcomes
        self._waiting: list[Outcome] = []

    def __call__(self, outcome: Outcome) -> None:
        if not self._waiting:
            self._loop.call_soon(self._pass_on)
        self._waiting.append(outcome)

    def _pass_on(self) -> None:
        outcomes, self._waiting = self._waiting, []
        self._on_outcomes(outcomes)


class Stage(IntEnum):
    HELD = 0
    """Behind another command of its conflict class."""
    QUEUED = 1
    SENT = 2
    """Given to the transport: from here on the client may have seen it."""
    DONE = 3


class Holder(Protocol):
    """The session, as far as a delivery needs it."""

    def forget(self, delivery: "Delivery") -> None: ...


class Delivery:
    """Every waiter gets exactly one outcome. Belongs to the session's event loop."""

    __slots__ = ("due", "order", "session", "slot", "stage", "waiters")

    def __init__(self, session: Holder, order: Order[Any], sink: Sink, due: float) -> None:
        self.session = session
        self.order = order
        self.due = due
        self.slot = 0
        self.stage = Stage.QUEUED
        self.waiters: list[tuple[Order[Any], Sink]] = [(order, sink)]

    def attach(self, order: Order[Any], sink: Sink) -> None:
        """Another caller with the same command id: one delivery, one more waiter."""
        if self.stage is Stage.SENT and not order.timeout:
            sink(order.ended(OutcomeKind.HANDED_OVER))
        else:
            self.waiters.append((order, sink))

    def written(self) -> None:
        """The transport took it: who does not wait for the ack is done."""
        if self.stage is not Stage.SENT:
            return
        waiters = self.waiters
        if len(waiters) == 1 and waiters[0][0].timeout:
            return
        self.waiters = [waiter for waiter in waiters if waiter[0].timeout]
        for order, sink in waiters:
            if not order.timeout:
                sink(order.ended(OutcomeKind.HANDED_OVER))

    def finish(self, kind: OutcomeKind, ack: Any = None, reason: str = "") -> bool:
        """End it for all; says whether anybody was waiting for that."""
        self.stage = Stage.DONE
        self.session.forget(self)
        waited = False
        for order, sink in self.waiters:
            if order.timeout or kind is not OutcomeKind.ACKED:
                waited = True
                sink(Outcome(order.client_id, order.command_id, kind, ack, reason))
            else:
                # The ack was quicker than the end of our own write.
                sink(order.ended(OutcomeKind.HANDED_OVER))
        return waited

    def abandon(self, reason: str) -> None:
        """The stream is gone."""
        if self.stage is Stage.SENT:
            self.finish(OutcomeKind.CONNECTION_LOST, None, reason)
        else:
            self.finish(OutcomeKind.NOT_HANDED_OVER, None, reason)

    def expire(self) -> None:
        if self.stage is Stage.SENT:
            self.finish(OutcomeKind.TIMED_OUT, None, "no ack in time")
        elif self.stage is Stage.HELD:
            reason = f"still behind another {self.order.conflict_class!r} command"
            self.finish(OutcomeKind.NOT_HANDED_OVER, None, reason)
        else:
            self.finish(OutcomeKind.NOT_HANDED_OVER, None, "the client does not read")
