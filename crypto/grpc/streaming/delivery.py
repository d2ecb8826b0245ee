"""One order inside a session, until its last waiter has an outcome."""

from enum import IntEnum
from typing import Any, Protocol

from .messages import OnOutcome, Order, Outcome, OutcomeKind


class Stage(IntEnum):
    BLOCKED = 0
    """Behind another command of its conflict class."""
    QUEUED = 1
    SENT = 2
    """Given to the transport: from here on the client may have seen it."""
    DONE = 3


class Owner(Protocol):
    """The session, as far as a delivery needs it."""

    def forget(self, delivery: "Delivery") -> None: ...


class Delivery:
    """Every waiter gets exactly one outcome. Belongs to the session's event loop."""

    __slots__ = ("due", "key", "order", "session", "slot", "stage", "waiters")

    def __init__(
        self, session: Owner, key: str, order: Order[Any], on_outcome: OnOutcome, due: float
    ) -> None:
        """`key`: the command's canonical id."""
        self.session = session
        self.key = key
        self.order = order
        self.due = due
        self.slot = 0
        self.stage = Stage.QUEUED
        self.waiters: list[tuple[Order[Any], OnOutcome]] = [(order, on_outcome)]

    def attach(self, order: Order[Any], on_outcome: OnOutcome) -> None:
        """Another caller with the same command id: one delivery, one more waiter."""
        if self.stage is Stage.SENT and not order.timeout:
            on_outcome(order.ended(OutcomeKind.HANDED_OVER))
        else:
            self.waiters.append((order, on_outcome))

    def written(self) -> None:
        """The transport took it: callers who do not wait for the ack have their outcome."""
        if self.stage is not Stage.SENT:
            return
        waiters = self.waiters
        if len(waiters) == 1 and waiters[0][0].timeout:
            return
        self.waiters = [waiter for waiter in waiters if waiter[0].timeout]
        for order, on_outcome in waiters:
            if not order.timeout:
                on_outcome(order.ended(OutcomeKind.HANDED_OVER))

    def finish(self, kind: OutcomeKind, ack: Any = None, reason: str = "") -> bool:
        """End it for all waiters; returns whether any of them was waiting for that."""
        self.stage = Stage.DONE
        self.session.forget(self)
        waited = False
        for order, on_outcome in self.waiters:
            if order.timeout or kind is not OutcomeKind.ACKED:
                waited = True
                on_outcome(Outcome(order.client_id, order.command_id, kind, ack, reason))
            else:
                # The ack was quicker than the end of our own write.
                on_outcome(order.ended(OutcomeKind.HANDED_OVER))
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
        elif self.stage is Stage.BLOCKED:
            reason = f"still behind another {self.order.conflict_class!r} command"
            self.finish(OutcomeKind.NOT_HANDED_OVER, None, reason)
        else:
            self.finish(OutcomeKind.NOT_HANDED_OVER, None, "the client does not read")
