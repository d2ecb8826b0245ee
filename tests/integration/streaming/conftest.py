from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from crypto.grpc.streaming import StreamingConfig
from tests.bots.server import BotServer, bot_server

QUICK = StreamingConfig(
    heartbeat_interval=0.3,
    heartbeat_timeout=0.8,
    ping_interval=30.0,
    client_disconnect_grace=0.3,
    registration_timeout=0.3,
    write_timeout=0.4,
    outbox_limit=8,
    drain_timeout=2.0,
)
"""The default durations, shrunk to what a test can wait for."""


@pytest.fixture
async def server() -> AsyncIterator[BotServer]:
    """With default durations, but no grace."""
    async with bot_server(StreamingConfig(client_disconnect_grace=0)) as running:
        yield running


@pytest.fixture
async def quick_server() -> AsyncIterator[BotServer]:
    async with bot_server(replace(QUICK)) as running:
        yield running
