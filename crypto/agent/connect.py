"""Running one agent in the simplest way."""

from pathlib import Path

from crypto.agent.agent import Agent
from crypto.agent.channel import channel
from crypto.agent.client import Client
from crypto.agent.identity import Identity
from crypto.agent.process import run_until_signal
from crypto.agent.store import Store


async def connect(agent: Agent, identity: Identity, server: str, data_dir: Path | str) -> None:
    """Runs the agent against HOST:PORT until SIGTERM or SIGINT. Raises StoreInUse if it runs already."""
    directory = Path(data_dir)
    directory.mkdir(parents=True, exist_ok=True)
    async with Store(directory / f"{identity.client_id}.sqlite3") as store, channel(server) as wire:
        await run_until_signal(Client(agent, identity, wire, store))
