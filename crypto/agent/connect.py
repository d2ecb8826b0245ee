"""Running an agent until the process is asked to stop."""

import asyncio
import signal
from pathlib import Path
from typing import Protocol

from crypto.agent.agent import Agent
from crypto.agent.client import Client
from crypto.agent.connection import channel
from crypto.agent.identity import Identity
from crypto.agent.store import Store


class Runnable(Protocol):
    """What `run_until_signal` runs: `stop` makes `run` return."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


async def connect(agent: Agent, identity: Identity, server: str, data_dir: Path | str) -> None:
    """Runs the agent against HOST:PORT until SIGTERM or SIGINT. Raises StoreInUse if it runs already."""
    directory = Path(data_dir)
    directory.mkdir(parents=True, exist_ok=True)
    async with Store(directory / f"{identity.client_id}.sqlite3") as store, channel(server) as wire:
        await run_until_signal(Client(agent, identity, wire, store))


async def run_until_signal(runnable: Runnable) -> None:
    """Runs it to its end; the first SIGTERM or SIGINT asks it to stop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runnable.stop)
    await runnable.run()
