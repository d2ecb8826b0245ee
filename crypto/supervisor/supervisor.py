"""Keeps services running: started stage by stage, restarted when they die, stopped in reverse order."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from crypto.supervisor.child import Child
from crypto.supervisor.journal import Journal
from crypto.supervisor.service import Service

FIRST_PAUSE = 0.5
"""Seconds before the first restart; doubled for each one after it."""
LONGEST_PAUSE = 30.0
STEADY = 30.0
"""A service that ran this many seconds starts over with the first pause."""
SAME_REQUEST = 1.0
"""Signals within so many seconds are one request: some send it to the process and to its group."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

FAILED = 1

T = TypeVar("T")


class Supervisor:
    """Run it on the main thread."""

    def __init__(self, stages: Sequence[Sequence[Service]], directory: Path, journal: Journal) -> None:
        """A stage is started when all services of the one before it are ready."""
        self.stages = stages
        self.directory = directory
        self.journal = journal
        self.children: dict[str, Child] = {}
        self.keepers: list[asyncio.Task[None]] = []
        self.stopping = asyncio.Event()
        self.failed = False
        self.asked_at: float | None = None

    async def run(self, when_ready: Callable[[], Coroutine[Any, Any, None]]) -> int:
        """The exit code: 0 after a signal, 1 if a service did not come up at the first start."""
        self._listen()
        try:
            for stage in self.stages:
                if not await self._start_stage(stage):
                    return 0 if self.stopping.is_set() else FAILED
            await self._unless_stopped(when_ready())
            await self.stopping.wait()
            return FAILED if self.failed else 0
        finally:
            self.stopping.set()
            await self._stop_all()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        now = time.monotonic()
        if self.asked_at is None:
            self.asked_at = now
            self.journal.say("stopping; once more to kill")
            self.stopping.set()
        elif now - self.asked_at > SAME_REQUEST:
            for child in self.children.values():
                child.kill()

    async def _start_stage(self, stage: Sequence[Service]) -> bool:
        """False if one of its services does not come up, or if we are asked to stop."""
        children = [await self._start(service) for service in stage]
        ready = await self._unless_stopped(_all_ready(children))
        for child, is_ready in zip(children, ready or [], strict=False):
            if not is_ready:
                reason = "is not ready in time" if child.alive else f"ended with {child.process.returncode}"
                self.journal.say(f"{child.service.name} {reason}; giving up")
        if ready is None or not all(ready):
            return False
        for service in stage:
            keeper = asyncio.create_task(self._keep(service))
            keeper.add_done_callback(self._keeper_ended)
            self.keepers.append(keeper)
        return True

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        """Keepers end by being cancelled. If one fails, nobody would restart its service: stop everything."""
        if not keeper.cancelled() and keeper.exception() is not None:
            self.journal.say(f"stopping: {keeper.exception()!r}")
            self.failed = True
            self.stopping.set()

    async def _start(self, service: Service) -> Child:
        child = await Child.start(service, self.directory, self.journal)
        self.children[service.name] = child
        return child

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result, or None as soon as we are asked to stop."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if working.done():
            return working.result()
        working.cancel()
        return None

    async def _keep(self, service: Service) -> None:
        """Restarts the service whenever it ends, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            code = await self.children[service.name].ended()
            if time.monotonic() - started >= STEADY:
                pause = FIRST_PAUSE
            self.journal.say(f"{service.name} ended with {code}; restarting in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            child = await self._start(service)
            if await child.becomes_ready():
                self.journal.say(f"{service.name} is back")
            elif child.alive:
                self.journal.say(f"{service.name} is not ready in time")
                child.kill()

    async def _stop_all(self) -> None:
        for keeper in self.keepers:
            keeper.cancel()
        await asyncio.gather(*self.keepers, return_exceptions=True)
        for stage in reversed(self.stages):
            await asyncio.gather(*(self._stop(service) for service in stage))
        self.journal.say("stopped")

    async def _stop(self, service: Service) -> None:
        child = self.children.get(service.name)
        if child is not None and not await child.stop():
            self.journal.say(f"{service.name} did not end within {service.grace:g} s and was killed")


async def _all_ready(children: Sequence[Child]) -> list[bool]:
    return await asyncio.gather(*(child.becomes_ready() for child in children))
