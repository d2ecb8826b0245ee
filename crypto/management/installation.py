"""From the options of `up` to the services it runs."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crypto.management import fleet
from crypto.supervisor import redis as embedded_redis
from crypto.supervisor import roles
from crypto.supervisor.roles import Installation
from crypto.supervisor.service import Service

ROLES = ("redis", "server", "web", "workers", "scheduler")
GENERAL = ("default", "bulk", "sync", "urgent")
RESERVED = ("urgent",)
RESERVED_THREADS = 4


def add_arguments(parser: ArgumentParser) -> None:
    number: dict[str, Any] = {"type": int, "metavar": "N"}
    port: dict[str, Any] = {"type": int, "metavar": "PORT"}
    parser.add_argument("--fleet", default=0, **number, help="also run N demo agents (0)")
    parser.add_argument("--workers", default=1, **number, help="general worker processes (1)")
    parser.add_argument("--threads", default=8, **number, help="threads of each of them (8)")
    parser.add_argument("--port-web", default=8000, **port, help="REST and admin (8000)")
    parser.add_argument("--port-grpc", default=50051, **port, help="streaming server (50051)")
    parser.add_argument("--port-redis", default=6390, **port, help="Redis (6390)")
    for role in ROLES:
        parser.add_argument(f"--no-{role}", action="store_true", help=f"leave out {role}")


def wanted(options: Mapping[str, Any]) -> set[str]:
    return {role for role in ROLES if not options[f"no_{role}"]}


def describe(data_dir: Path, redis_url: str | None, options: Mapping[str, Any]) -> Installation:
    """`redis_url` is the Redis that runs already; without one we run our own if there is a server for it."""
    own = redis_url is None and "redis" in wanted(options) and embedded_redis.find_server() is not None
    return Installation(
        data_dir=data_dir,
        port_web=options["port_web"],
        port_grpc=options["port_grpc"],
        port_redis=options["port_redis"],
        redis_url=f"redis://127.0.0.1:{options['port_redis']}/0" if own else redis_url,
        own_redis=embedded_redis.find_server() if own else None,
    )


def stages(here: Installation, options: Mapping[str, Any]) -> list[list[Service]]:
    """What is started together, stage by stage."""
    chosen = wanted(options)
    consuming: list[Service] = []
    if "web" in chosen:
        consuming.append(roles.web(here))
    if "workers" in chosen and here.redis_url is not None:
        consuming.append(roles.workers(here, "workers", GENERAL, options["workers"], options["threads"]))
        consuming.append(roles.workers(here, "urgent", RESERVED, 1, RESERVED_THREADS))
    if "scheduler" in chosen:
        consuming.append(roles.scheduler(here))
    count = options["fleet"]
    return [
        [roles.redis(here, here.own_redis)] if here.own_redis is not None else [],
        [roles.server(here)] if "server" in chosen else [],
        consuming,
        [roles.agents(here, count, fleet.connected(count))] if count else [],
    ]


def listeners(here: Installation, options: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Which role will listen on which port."""
    chosen = wanted(options)
    if here.own_redis is not None:
        yield "redis", here.port_redis
    if "server" in chosen:
        yield "grpc", here.port_grpc
    if "web" in chosen:
        yield "web", here.port_web


def broker_in_words(here: Installation) -> str:
    if here.own_redis is not None:
        return f"Redis: {here.own_redis} on port {here.port_redis}, data in {here.data_dir / 'redis'}"
    if here.redis_url is not None:
        return "Redis: the one REDIS_URL names"
    return "Redis: none found; every process keeps its messages in memory and works them off itself"
