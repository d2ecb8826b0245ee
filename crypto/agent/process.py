"""A process that runs until it is asked to stop."""

import asyncio
import signal
from typing import Protocol


class Runnable(Protocol):
    async def run(self) -> None: ...

    def stop(self) -> None: ...


async def run_until_signal(runnable: Runnable) -> None:
    """Runs it to its end; the first SIGTERM or SIGINT asks it to stop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runnable.stop)
    await runnable.run()
