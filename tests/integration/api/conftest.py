from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from crypto.models import Client
from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.delivery.transport import courier
from tests.support import ledger
from tests.support.agents import Agents
from tests.support.live import StreamingServer


@pytest.fixture
def superuser(transactional_db: None) -> User:
    return User.objects.create_superuser("root", password="root")


@pytest.fixture
def api(superuser: User) -> APIClient:
    """Speaks for somebody who may do everything."""
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(superuser)
    return client


@pytest.fixture
def absent(transactional_db: None) -> Client:
    """A client that is not connected."""
    return ledger.client(name="absent")


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[StreamingServer]:
    """A streaming server in a process of its own, on the test's database."""
    with StreamingServer(tmp_path) as running:
        running.wait()
        yield running
        running.stop()
    dispatcher().close(5)
    courier().close()
    dispatcher.cache_clear()
    courier.cache_clear()


class Scene(NamedTuple):
    willing: UUID
    refusing: UUID
    silent: UUID


@pytest.fixture
def scene(server: StreamingServer, tmp_path: Path) -> Iterator[Scene]:
    """Three agents, connected: one does what it is told, one refuses, one never answers."""
    scene = Scene(uuid4(), uuid4(), uuid4())
    ways: tuple[tuple[str, ...], ...] = ((), ("--refusing", "1"), ("--silent", "1"))
    with ExitStack() as stack:
        agents = [
            stack.enter_context(Agents(server, tmp_path / str(id), "--id", str(id), *way))
            for id, way in zip(scene, ways, strict=True)
        ]
        for agent in agents:
            agent.wait_connected(*scene)
        yield scene
