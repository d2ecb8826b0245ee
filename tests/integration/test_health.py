import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.support.processes import free_port
from tests.support.services import RedisServer


@pytest.mark.django_db
def test_ready_names_what_does_not_answer(client: Client, settings: Settings) -> None:
    assert client.get("/health/ready").json() == {"status": "ok", "database": True, "redis": True}
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": True, "redis": False}


@pytest.mark.django_db
def test_ready_with_a_redis(client: Client, settings: Settings, redis_server: RedisServer) -> None:
    settings.REDIS_URL = redis_server.url
    assert client.get("/health/ready").status_code == 200


def test_live_needs_no_database(client: Client) -> None:
    assert client.get("/health/live").status_code == 200
