"""Carries this process' orders to the nodes: many callers, one control call a node."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic
from weakref import WeakKeyDictionary

from .background import AFTER_FORK, background
from .config import CourierConfig
from .control_protocol import ControlProtocol
from .deadlines import Deadlines
from .mailbox import Mailbox
from .messages import OnOutcomes, Order, Outcome, TCommand
from .node_connection import NodeConnection
from .window import Window

Resolution = tuple["asyncio.Future[Outcome]", Outcome]


class Courier(Generic[TCommand]):
    """One per process. Batches what its callers hand in and resolves from the nodes' replies.

    Every order gets exactly one outcome, within its timeout plus the margin, whatever the node does.
    `submit` and `execute` are for threads and block while the window is full; `call` is for
    coroutines on any loop. Made before a fork it may be used after; once used it must not be forked.
    """

    def __init__(
        self,
        protocol: ControlProtocol[TCommand],
        *,
        config: CourierConfig | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`loop`: run there instead of in the background thread."""
        self.config = config or CourierConfig()
        self._protocol = protocol
        self._given_loop = loop
        self._lock = threading.Lock()
        self._nodes: dict[str, NodeConnection] = {}
        self._callers: WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox[Resolution]] = WeakKeyDictionary()
        self._window = Window(self.config.window)
        self._deadlines: Deadlines | None = None
        self._pid = 0

    def submit(self, address: str, orders: Sequence[Order[TCommand]], on_outcomes: OnOutcomes) -> None:
        """`on_outcomes` is called on the courier's thread, once per reply with all that it carried for it.

        Orders handed in from within it do not wait for the window.
        """
        node = self._node(address)
        step = min(self.config.batch_orders, self.config.window)
        for start in range(0, len(orders), step):
            part = orders[start : start + step]
            turn = self._window.acquire(len(part))
            if turn is not None and not self._on_loop():
                turn.result()
            node.submit(part, on_outcomes)

    def execute(self, address: str, orders: Sequence[Order[TCommand]]) -> Future[list[Outcome]]:
        """All outcomes, in the order they arrived."""
        collector = OutcomeCollector(len(orders))
        self.submit(address, orders, collector)
        return collector.future

    async def call(self, address: str, order: Order[TCommand]) -> Outcome:
        """One order, from any event loop."""
        node = self._node(address)
        turn = self._window.acquire(1)
        if turn is not None:
            await asyncio.wrap_future(turn)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        mailbox = self._callers.get(loop)
        if mailbox is None:
            mailbox = self._callers.setdefault(loop, Mailbox(loop, _resolve))
        node.submit((order,), partial(_hand_back, mailbox, future))
        return await future

    def close(self, timeout: float = 5.0) -> None:
        """From a thread: wait so many seconds for what is in flight, then cut the calls."""
        if self._deadlines is None:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self.aclose(timeout), self._loop()).result(timeout + 2.0)

    async def aclose(self, timeout: float = 5.0) -> None:
        """The same, on the courier's own loop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not all(node.idle for node in self._nodes.values()):
                    await asyncio.sleep(0.01)
        for node in self._nodes.values():
            await node.close()

    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._given_loop or background.get()

    def _on_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop()
        except RuntimeError:
            return False

    def _node(self, address: str) -> NodeConnection:
        if self._nodes and self._pid != os.getpid():
            raise RuntimeError(AFTER_FORK)
        node = self._nodes.get(address)
        if node is None:
            with self._lock:
                node = self._nodes.get(address) or self._add_node(address)
        return node

    def _add_node(self, address: str) -> NodeConnection:
        self._pid = os.getpid()
        if self._deadlines is None:
            self._deadlines = Deadlines(self._loop())
        node = NodeConnection(address, self._protocol, self.config, self._window, self._deadlines)
        self._nodes[address] = node
        return node


class OutcomeCollector:
    """A callback that collects the outcomes of one submission into a future."""

    def __init__(self, expected: int) -> None:
        self.future: Future[list[Outcome]] = Future()
        # A caller that goes away does not cancel what is in flight.
        self.future.set_running_or_notify_cancel()
        self._expected = expected
        self._outcomes: list[Outcome] = []
        if not expected:
            self.future.set_result(self._outcomes)

    def __call__(self, outcomes: list[Outcome]) -> None:
        self._outcomes.extend(outcomes)
        if len(self._outcomes) == self._expected:
            self.future.set_result(self._outcomes)


def _hand_back(
    mailbox: Mailbox[Resolution], future: "asyncio.Future[Outcome]", outcomes: list[Outcome]
) -> None:
    """On the courier's thread."""
    with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
        mailbox.put((future, outcomes[0]))


def _resolve(resolutions: list[Resolution]) -> None:
    """On the caller's loop."""
    for future, outcome in resolutions:
        if not future.done():
            future.set_result(outcome)
