"""A whole installation of real processes on the test's database: Redis, streaming server, workers, scheduler, fleet."""

import json
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import dramatiq

from crypto.agent.simulator.fleet import client_ids
from crypto.models import Client, CommandLog, Operation
from crypto.services.operations.progress import progress
from tests.support.live import StreamingServer, live_environment
from tests.support.processes import Process, wait_until
from tests.support.services import RedisServer
from workers.broker import RedisBroker

SEED = 7


class Plant:
    def __init__(self, redis: RedisServer, directory: Path) -> None:
        self.directory = directory
        self.redis = redis
        self.effects_file = directory / "effects"
        self._stack = ExitStack()
        self._started = 0

    def __enter__(self) -> Self:
        before = dramatiq.get_broker()
        self._stack.callback(dramatiq.set_broker, before)
        broker = RedisBroker(url=self.redis.url)
        broker.flush_all()
        dramatiq.set_broker(broker)
        self.server = self._stack.enter_context(StreamingServer(self.directory))
        self.env = live_environment(
            self.directory, REDIS_URL=self.redis.url, STREAMING_ADDRESS=self.server.address
        )
        self.manage("scheduler")
        self.server.wait()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def manage(self, *arguments: str, **variables: str) -> Process:
        self._started += 1
        output = self.directory / f"{arguments[0]}-{self._started}.log"
        return self._stack.enter_context(Process.manage(*arguments, env=self.env | variables, output=output))

    def worker(self, *lanes: str, **variables: str) -> Process:
        options = ("--processes", "1", "--threads", "4", "--skip-logging", "--queues", *lanes)
        started = self.manage("rundramatiq", *options, **variables)
        started.wait_for_text("ready for action", 60)
        return started

    def fleet(self, size: int, *options: str, connected: int | None = None) -> None:
        """All are registered; those that the options keep offline never connect."""
        Client.objects.bulk_create([Client(id=UUID(id), name=id) for id in client_ids(size, SEED)])
        argv = [sys.executable, "-m", "crypto.agent", "--server", self.server.address, "--fleet", str(size)]
        argv += ["--seed", str(SEED), "--effects", str(self.effects_file), "--data-dir", str(self.directory)]
        log = self.directory / "fleet.log"
        process = self._stack.enter_context(Process([*argv, *options], self.env, log))
        expected = size if connected is None else connected
        process.wait_for(lambda: Client.objects.connected().count() == expected, 60, f"{expected} clients")

    def cli(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """`manage.py operation … --json`: its exit code and what it printed."""
        self._started += 1
        output = self.directory / f"cli-{self._started}.log"
        with Process.manage("operation", *arguments, "--json", env=self.env, output=output) as process:
            code = process.popen.wait(120)
            printed = [line for line in process.text.splitlines() if line.startswith("{")]
            assert printed or code in (2, 3), process.text
            return code, json.loads(printed[-1]) if printed else {}

    def effects(self, verb: str = "sync_wallets") -> Counter[UUID]:
        """How often the agents ran each command, by their own account. The server's own pings are among them."""
        lines = self.effects_file.read_text().splitlines() if self.effects_file.exists() else []
        return Counter(UUID(id) for _, id, ran in map(str.split, lines) if ran == verb)


def ended(operation: Operation, timeout: float = 90) -> Operation:
    wait_until(lambda: not progress(operation.pk).operation.under_way, timeout, "the operation's end")
    return progress(operation.pk).operation


def ids(operation: Operation, *states: str) -> set[UUID]:
    rows = CommandLog.objects.filter(operation=operation.pk)
    return set((rows.filter(state__in=states) if states else rows).values_list("pk", flat=True))
