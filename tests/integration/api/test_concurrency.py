"""Requests that wait for their clients hold up nobody, over the real web server."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token

from crypto.models import Client, CommandLog, State
from tests.support.agents import Agents
from tests.support.live import StreamingServer, live_environment
from tests.support.processes import Process, free_port

WAITING = 200
TIMEOUT = 10.0


class Web(Process):
    """uvicorn, as `manage.py up` runs it."""

    def __init__(self, data_dir: Path) -> None:
        self.port = free_port()
        argv = [sys.executable, "-m", "uvicorn", "project.asgi:application", "--lifespan", "off"]
        env = live_environment(data_dir)
        super().__init__([*argv, "--port", str(self.port)], env, data_dir / "web.log")


@pytest.fixture
def web(server: StreamingServer, tmp_path: Path) -> Iterator[str]:
    with Web(tmp_path) as running:
        running.wait_for_port(running.port)
        yield f"http://127.0.0.1:{running.port}"
        running.stop()


@pytest.fixture
def silent(server: StreamingServer, tmp_path: Path) -> Iterator[list[str]]:
    """Ids of connected clients that never answer."""
    with Agents(server, tmp_path / "silent", "--fleet", "10", "--silent", "10") as agents:
        connected = Client.objects.connected()
        agents.wait_for(lambda: connected.count() == 10, 30, "10 connected clients")
        yield [str(id) for id in connected.values_list("pk", flat=True)]


def test_two_hundred_waiting_calls_hold_up_nobody(web: str, silent: list[str], superuser: User) -> None:
    token = Token.objects.create(user=superuser).key
    statuses, quick = asyncio.run(crowd(web, token, silent))
    assert statuses == [504] * WAITING
    assert max(quick) < TIMEOUT / 2
    assert CommandLog.objects.filter(state=State.TIMED_OUT).count() == WAITING


async def crowd(web: str, token: str, clients: list[str]) -> tuple[list[int], list[float]]:
    """Statuses of the calls that wait, and the seconds that others took while all of them did."""
    limits = httpx.Limits(max_connections=WAITING + 10)
    headers = {"Authorization": f"Token {token}"}
    async with httpx.AsyncClient(base_url=web, headers=headers, limits=limits, timeout=60) as http:
        calls = [
            asyncio.create_task(
                http.post(
                    f"/api/crypto/commands/{clients[n % len(clients)]}/ping/", json={"timeout": TIMEOUT}
                )
            )
            for n in range(WAITING)
        ]
        while await CommandLog.objects.filter(state=State.SENT).acount() < WAITING:
            assert not any(call.done() for call in calls), "some ended before all were under way"
            await asyncio.sleep(0.02)
        quick = [await seconds(http, address) for address in ("/health/live", "/api/crypto/commands/")]
        assert not any(call.done() for call in calls)
        answers = await asyncio.gather(*calls)
        return [answer.status_code for answer in answers], quick


async def seconds(http: httpx.AsyncClient, address: str) -> float:
    begun = time.monotonic()
    assert (await http.get(address)).status_code == 200
    return time.monotonic() - begun
