"""Redis and PostgreSQL for tests. Locally a missing one skips, in CI it fails."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from crypto.supervisor import redis as embedded_redis
from tests.support.processes import Process, accepts_connections, free_port


def unavailable(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not available, and CI does not skip")
    pytest.skip(f"{what} is not available")


class RedisServer:
    """A Redis that tests may kill and start again; its data survive that."""

    def __init__(self, directory: Path) -> None:
        binary = embedded_redis.find_server()
        if binary is None:
            unavailable("a Redis server")
        self.binary = binary
        self.directory = directory
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        argv = embedded_redis.command(self.binary, self.port, self.directory)
        self.process = Process(argv, os.environ, self.directory / "redis.log")
        self.process.wait_for(lambda: accepts_connections(self.port), 10, "Redis")

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> None:
        self.process.stop()
