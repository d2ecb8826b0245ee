"""One run of a service: a process that leads a group of its own and is killed when the supervisor ends."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from crypto.supervisor.deathsig import die_with_parent
from crypto.supervisor.journal import Journal
from crypto.supervisor.service import Service

DRAIN = 2.0
"""Seconds to read what a process that has ended left in its pipe."""


class Child:
    def __init__(self, service: Service, process: asyncio.subprocess.Process, journal: Journal) -> None:
        self.service = service
        self.process = process
        assert process.stdout is not None
        self.following = asyncio.create_task(journal.follow(service.name, process.stdout))

    @classmethod
    async def start(cls, service: Service, directory: Path, journal: Journal) -> "Child":
        """Call it from the main thread: the kernel kills the child when the thread that started it ends."""
        supervisor = os.getpid()

        def die_with_supervisor() -> None:
            die_with_parent()
            if os.getppid() != supervisor:
                os._exit(1)

        env = {**os.environ, **service.env, "PYTHONUNBUFFERED": "1"}
        if isinstance(service.ready, Path):
            service.ready.parent.mkdir(parents=True, exist_ok=True)
            service.ready.unlink(missing_ok=True)
            env["READY_FILE"] = str(service.ready)
        process = await asyncio.create_subprocess_exec(
            *service.argv,
            cwd=directory,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_supervisor,
        )
        return cls(service, process, journal)

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def becomes_ready(self) -> bool:
        """False if it ends first or takes longer than it may."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.service.ready_within):
                while self.alive:
                    if await self._is_ready():
                        return self.alive
                    await asyncio.sleep(0.05)
        return False

    async def _is_ready(self) -> bool:
        ready = self.service.ready
        return ready.exists() if isinstance(ready, Path) else await ready()

    async def ended(self) -> int:
        """Waits for the process to end, kills the rest of its group, and passes on the rest of its output."""
        code = await self.process.wait()
        self._signal_group(signal.SIGKILL)
        await asyncio.wait({self.following}, timeout=DRAIN)
        return code

    async def stop(self) -> bool:
        """Asks the leader to end, and kills the group after the grace. False if that was needed."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(self.service.grace):
                await self.process.wait()
        except TimeoutError:
            self._signal_group(signal.SIGKILL)
            await self.ended()
            return False
        await self.ended()
        return True

    def kill(self) -> None:
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)
