"""Clients that run in the test's own process, against a real server."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from crypto.agent.agent import Agent
from crypto.agent.client import Client
from crypto.agent.connection import Backoff, channel
from crypto.agent.connectors.simulated import SimulatedConnector
from crypto.agent.identity import Identity
from crypto.agent.reference import ReferenceAgent
from crypto.agent.store import Store


def reference(seed: int = 0) -> ReferenceAgent:
    return ReferenceAgent(SimulatedConnector("client", seed, {}))


@asynccontextmanager
async def running(
    address: str,
    agent: Agent | None = None,
    *,
    store: Store | None = None,
    backoff: Backoff | None = None,
    **identity: Any,
) -> AsyncIterator[Client]:
    """The client, connecting; stopped when the block ends."""
    own = store or Store(None)
    who = Identity(**({"client_id": str(uuid.uuid4())} | identity))
    async with channel(address) as wire:
        client = Client(agent or reference(), who, wire, own, heartbeat=0.2, backoff=backoff)
        task = asyncio.create_task(client.run())
        try:
            yield client
        finally:
            client.stop()
            await asyncio.wait_for(task, 20)
    if store is None:
        await own.close()
