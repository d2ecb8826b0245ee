"""One installation in real processes, with everything between them that can be broken."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import UUID

import redis

from crypto.supervisor import redis as embedded_redis
from tests.chaos.observer_client import Observer
from tests.chaos.parts import Part
from tests.chaos.proxy import Net, Proxy
from tests.support.processes import HOOKED, Process, accepts_connections, environment, free_port

LANES = ("default", "bulk", "sync", "urgent")
NODE_LEASE = 3.0
LEASE_MARGIN = 3.0
SLOW_DISK = 0.3
"""Seconds: a commit of the slow fleet takes up to so long."""


@dataclass(frozen=True, slots=True)
class Scale:
    clients: int = 24
    """Dealt out to the three fleets."""
    nodes: int = 2
    workers: int = 2
    schedulers: int = 2


class World:
    def __init__(
        self,
        directory: Path,
        seed: int,
        scale: Scale,
        *,
        database_url: str | None = None,
        build: str | None = None,
    ) -> None:
        """`build`: the name of a broken build, see tests.chaos.sabotage."""
        self.directory, self.seed, self.scale = directory, seed, scale
        self.net = Net()
        self._lot = Random(f"world/{seed}")
        self.clients = [str(UUID(int=self._lot.getrandbits(128), version=4)) for _ in range(scale.clients)]
        self.redis_port = free_port()
        node_ports = [free_port() for _ in range(scale.nodes)]
        self.control_proxies = [Proxy(self.net, [port], f"{seed}/control") for port in node_ports]
        self.agent_proxies = [Proxy(self.net, node_ports, f"{seed}/agents/{n}") for n in range(3)]
        self.env = self._environment(database_url, build)
        (directory / "client_ids").write_text("\n".join(self.clients))
        self.redis = Part("redis", self._redis)
        self.nodes = [self._node(n, port) for n, port in enumerate(node_ports)]
        self.workers = [self._worker(n) for n in range(scale.workers)]
        self.schedulers = [
            Part(f"scheduler-{n}", self._manage("scheduler", f"scheduler-{n}"))
            for n in range(scale.schedulers)
        ]
        middleman_port = free_port()
        self.middleman = self._middleman(middleman_port)
        ways = [self.agent_proxies[0].port, middleman_port, self.agent_proxies[2].port]
        self.fleets = [self._fleet(n, port) for n, port in enumerate(ways)]
        self.commander = Part("commander", self._commander)
        self.command_rate = 20.0

    @property
    def parts(self) -> list[Part]:
        """In the order in which they start."""
        infrastructure = [self.redis, *self.nodes, self.middleman, *self.workers, *self.schedulers]
        return [*infrastructure, *self.fleets]

    def fleet_ids(self, number: int) -> list[str]:
        return self.clients[number :: len(self.agent_proxies)]

    def start(self, without: Sequence[Part] = ()) -> None:
        """Returns when every process runs; clients connect in their own time."""
        with Process.manage("migrate", "-v0", env=self.env, output=self.directory / "migrate.log") as migrate:
            assert migrate.popen.wait(120) == 0, migrate.text
        self.observer = Observer(self.env, self.directory / "observer.log")
        for part in self.parts:
            if part not in without:
                part.start()

    @property
    def ready(self) -> bool:
        """Whether everybody who works off commands has once said so."""
        return all(self._ready_file(part.name).exists() for part in [*self.workers, *self.schedulers])

    def redis_client(self) -> "redis.Redis":
        return redis.Redis(port=self.redis_port, socket_timeout=2, socket_connect_timeout=2)

    def close(self) -> None:
        for part in [self.commander, *reversed(self.parts)]:
            part.thaw()
            part.kill()
        if hasattr(self, "observer"):
            self.observer.close()
        self.net.close()

    def _environment(self, database_url: str | None, build: str | None) -> dict[str, str]:
        own = {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "STREAMING_ADDRESS": f"127.0.0.1:{self.control_proxies[0].port}",
            "SECRET_KEY": "only-for-chaos-" + "0123456789abcdef" * 3,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "NODE_LEASE": str(NODE_LEASE),
            "LEASE_MARGIN": str(LEASE_MARGIN),
            **HOOKED,
            "GRPC_ENABLE_FORK_SUPPORT": "0",
        }
        if database_url is not None:
            own["DATABASE_URL"] = database_url
        if build is not None:
            own["CHAOS_BUILD"] = build
        return environment(self.directory / "var", **own)

    def run(self, name: str, *argv: object, env: Mapping[str, str] = MappingProxyType({})) -> Process:
        """A Python process of this installation; its output goes to a file of that name."""
        command = [sys.executable, *map(str, argv)]
        return Process(command, {**self.env, **env}, self.directory / f"{name}.log")

    def _ready_file(self, name: str) -> Path:
        return self.directory / f"{name}.ready"

    def _manage(self, command: str, name: str, *arguments: object) -> Any:
        ready = {"READY_FILE": str(self._ready_file(name))}
        return lambda life, env: self.run(name, "manage.py", command, *arguments, env={**ready, **env})

    def _redis(self, life: int, env: Mapping[str, str]) -> Process:
        server = embedded_redis.find_server()
        assert server is not None, "no Redis server"
        argv = embedded_redis.command(server, self.redis_port, self.directory / "redis")
        process = Process(argv, {**self.env, **env}, self.directory / "redis.log")
        process.wait_for(lambda: accepts_connections(self.redis_port), 20, "Redis")
        return process

    def _node(self, number: int, port: int) -> Part:
        advertised = f"127.0.0.1:{self.control_proxies[number].port}"
        name = f"node-{number}"
        return Part(name, self._manage("rungrpc", name, "--port", port, "--advertise", advertised))

    def _worker(self, number: int) -> Part:
        name = f"worker-{number}"
        options = ("--processes", 1, "--threads", 4, "--skip-logging", "--worker-shutdown-timeout", 5000)
        return Part(name, self._manage("rundramatiq", name, *options, "--queues", *LANES))

    def _middleman(self, port: int) -> Part:
        upstream = f"127.0.0.1:{self.agent_proxies[1].port}"
        options = ("--port", port, "--upstream", upstream, "--seed", self.seed)
        stats = ("--stats", self.directory / "middleman.json")
        return Part(
            "middleman",
            lambda life, env: self.run("middleman", "-m", "tests.chaos.middleman", *options, *stats, env=env),
        )

    def _fleet(self, number: int, port: int) -> Part:
        """The first is durable and partly old, the second fast and behind the middleman, the third has a slow disk."""
        name = f"fleet-{number}"
        ids = self.directory / f"{name}.ids"
        ids.write_text("\n".join(self.fleet_ids(number)))
        kind = (("durable", "--first-contract", "25%"), ("fast",), ("durable",))[number]
        slow = {"CHAOS_DISK": str(SLOW_DISK)} if number == 2 else {}
        options = ("--server", f"127.0.0.1:{port}", "--ids", ids, "--data-dir", self.directory / name)

        def launch(life: int, env: Mapping[str, str]) -> Process:
            effects = ("--effects", self.directory / f"{name}.effects.{life:03}")
            more = ("--heartbeat", 2, "--seed", self.seed, "--journal", *kind)
            return self.run(name, "-m", "crypto.agent", *options, *effects, *more, env={**slow, **env})

        return Part(name, launch)

    def _commander(self, life: int, env: Mapping[str, str]) -> Process:
        return self.run(
            "commander",
            *("-m", "tests.chaos.commander", "--seed", f"{self.seed}/{life}"),
            *("--clients", self.directory / "client_ids", "--record", self.directory / "record"),
            *("--rate", self.command_rate),
            env=env,
        )
