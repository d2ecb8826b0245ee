from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.support.postgres import server_url
from tests.support.services import RedisServer, unavailable

DATABASE_FIXTURES = {"db", "transactional_db", "database_url", "chaos_database"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only-database", action="store_true", help="leave out what touches no database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--only-database"):
        touching = [item for item in items if _touches_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in touching])
        items[:] = touching


def _touches_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(fixtures & DATABASE_FIXTURES)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real Redis for all tests that do not harm it; see own_redis for those that do."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed, filled or emptied."""
    server = RedisServer(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> str:
    """URL of a PostgreSQL server; see database_url for a database on it."""
    try:
        return server_url(durable=False)
    except ImportError:
        unavailable("PostgreSQL")


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database of the test's own, for the processes it starts."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(postgres)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
