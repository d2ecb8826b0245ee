"""Carries this process' orders to the nodes: many callers, one control call a node."""

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import grpc

from .background import AFTER_FORK, background
from .courier_config import CourierConfig
from .deadlines import Deadlines
from .link import ControlCall, Link, Outcomes
from .order import Order
from .outcome import Outcome
from .window import Window

TCommand = TypeVar("TCommand")


class Courier(Generic[TCommand]):
    """One per process. Gathers what its callers hand in and resolves from the nodes' reply chunks.

    Every order gets exactly one outcome, within its timeout plus the margin, whatever the node does.
    `submit` and `execute` are for threads and block while the window is full; `call` is for
    coroutines on any loop. Made before a fork it may be used after; once used it must not be forked.
    """

    def __init__(
        self,
        open_call: Callable[[grpc.aio.Channel], ControlCall],
        pack: Callable[[list[Order[TCommand]]], Any],
        unpack: Callable[[Any], Iterable[Outcome]],
        *,
        config: CourierConfig | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        on_unclaimed: Outcomes | None = None,
    ) -> None:
        """`loop`: run there instead of in the background thread.

        `on_unclaimed` gets the outcomes that arrive after the courier has given them up.
        """
        self.config = config or CourierConfig()
        self._adapters = (open_call, pack, unpack, on_unclaimed or _drop)
        self._given_loop = loop
        self._lock = threading.Lock()
        self._links: dict[str, Link] = {}
        self._desks: WeakKeyDictionary[asyncio.AbstractEventLoop, Desk] = WeakKeyDictionary()
        self._window = Window(self.config.window)
        self._deadlines: Deadlines | None = None
        self._pid = 0

    def submit(self, address: str, orders: Sequence[Order[TCommand]], on_outcomes: Outcomes) -> None:
        """`on_outcomes` is called on the courier's thread, once per reply with all that it carried for it.

        It must neither block nor raise. Orders handed in from within it do not wait for the window.
        """
        link = self._link(address)
        step = min(self.config.batch_orders, self.config.window)
        for start in range(0, len(orders), step):
            part = orders[start : start + step]
            turn = self._window.acquire(len(part))
            if turn is not None and not self._on_loop():
                turn.result()
            link.hand_in(part, on_outcomes)

    def execute(self, address: str, orders: Sequence[Order[TCommand]]) -> Future[list[Outcome]]:
        """All outcomes, in the order they arrived."""
        gathering = Gathering(len(orders))
        self.submit(address, orders, gathering)
        return gathering.future

    async def call(self, address: str, order: Order[TCommand]) -> Outcome:
        """One order, from any event loop."""
        link = self._link(address)
        turn = self._window.acquire(1)
        if turn is not None:
            await asyncio.wrap_future(turn)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        desk = self._desks.get(loop)
        if desk is None:
            desk = self._desks.setdefault(loop, Desk())
        link.hand_in((order,), partial(desk.arrived, future))
        return await future

    def close(self, timeout: float = 5.0) -> None:
        """From a thread: wait so long for what is under way, then cut the calls."""
        if self._deadlines is None:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self.aclose(timeout), self._loop()).result(timeout + 2.0)

    async def aclose(self, timeout: float = 5.0) -> None:
        """The same, on the courier's own loop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not all(link.idle for link in self._links.values()):
                    await asyncio.sleep(0.01)
        for link in self._links.values():
            await link.close()

    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._given_loop or background.get()

    def _on_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop()
        except RuntimeError:
            return False

    def _link(self, address: str) -> Link:
        if self._links and self._pid != os.getpid():
            raise RuntimeError(AFTER_FORK)
        link = self._links.get(address)
        if link is None:
            with self._lock:
                link = self._links.get(address) or self._open_link(address)
        return link

    def _open_link(self, address: str) -> Link:
        loop = self._loop()
        self._pid = os.getpid()
        if self._deadlines is None:
            self._deadlines = Deadlines(loop)
        open_call, pack, unpack, on_unclaimed = self._adapters
        link = Link(
            address, loop, self._deadlines, self._window, self.config, open_call, pack, unpack, on_unclaimed
        )  # fmt: skip
        self._links[address] = link
        return link


class Desk:
    """Brings outcomes to the coroutines of one event loop: what one reply carried for them wakes the loop once."""

    def __init__(self) -> None:
        self._arrived: deque[tuple[asyncio.Future[Outcome], Outcome]] = deque()
        self._woken = False

    def arrived(self, future: asyncio.Future[Outcome], outcomes: list[Outcome]) -> None:
        """On the courier's thread."""
        self._arrived.append((future, outcomes[0]))
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                future.get_loop().call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._woken = False
        while self._arrived:
            future, outcome = self._arrived.popleft()
            if not future.done():
                future.set_result(outcome)


class Gathering:
    """Collects the outcomes of one submission."""

    def __init__(self, expected: int) -> None:
        self.future: Future[list[Outcome]] = Future()
        # A caller that goes away does not cancel what is under way.
        self.future.set_running_or_notify_cancel()
        self._expected = expected
        self._outcomes: list[Outcome] = []
        if not expected:
            self.future.set_result(self._outcomes)

    def __call__(self, outcomes: list[Outcome]) -> None:
        self._outcomes.extend(outcomes)
        if len(self._outcomes) == self._expected:
            self.future.set_result(self._outcomes)


def _drop(outcomes: list[Outcome]) -> None:
    pass
