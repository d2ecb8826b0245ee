"""`kill -9` of one part after the other while commands flow: it comes back by itself, and the ledger comes to rest."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import checker
from tests.chaos.collect import read_record
from tests.chaos.evidence import OPEN, Evidence, Row
from tests.chaos.observer_client import Observer
from tests.support.installation import STARTED, Ports, announced, call, get, pid_of, start
from tests.support.processes import ROOT, Process, environment, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

VICTIMS = {
    "workers": ("dramatiq", "bulk"),
    "server": ("rungrpc",),
    "redis": ("redis-server",),
    "web": ("uvicorn",),
}
FLOW = 40.0
"""Seconds for which commands are issued."""
MINUTE = 60.0


def project_environment(tmp_path: Path, ports: Ports) -> dict[str, str]:
    return environment(
        tmp_path / "var",
        REDIS_URL=f"redis://127.0.0.1:{ports.redis}/0",
        STREAMING_ADDRESS=f"127.0.0.1:{ports.grpc}",
        DJANGO_SETTINGS_MODULE="project.settings",
        PYTHONPATH=str(ROOT),
    )


@contextmanager
def commands(tmp_path: Path, env: dict[str, str], client_ids: list[str]) -> Iterator[Process]:
    clients = tmp_path / "clients"
    clients.write_text("\n".join(client_ids))
    options = {"seed": 1, "clients": clients, "record": tmp_path / "record", "seconds": FLOW, "rate": 10}
    argv = [sys.executable, "-m", "tests.chaos.commander"]
    argv += [f"--{name}={value}" for name, value in options.items()]
    with Process(argv, env, tmp_path / "commander.log") as process:
        yield process


def rest_works(known: dict[str, Any]) -> bool:
    try:
        status, body, _ = call(known, "POST", f"{known['api']}commands/{known['client_id']}/ping/")
    except OSError:
        return False
    return status == 200 and bool(body["command_result"]["success"])


def wait_for_flow(observer: Observer) -> None:
    """Until more commands are on record than now."""
    before = sum(observer.ask("totals").values())
    wait_until(lambda: sum(observer.ask("totals").values()) > before, 30, "another command")


def test_it_comes_back_and_nothing_stays_open(tmp_path: Path) -> None:
    ports = Ports.free()
    env = project_environment(tmp_path, ports)
    with start(tmp_path, ports, "--fleet=20") as up:
        known = announced(up)
        with Observer(env, tmp_path / "observer.log") as observer:
            with commands(tmp_path, env, list(observer.ask("clients"))) as commander:
                for name, words in VICTIMS.items():
                    wait_for_flow(observer)
                    os.kill(pid_of(tmp_path / "var", *words), signal.SIGKILL)
                    up.wait_for_text(f"{name} is back", STARTED)
                    wait_until(lambda: rest_works(known), STARTED, "a ping through REST")
                assert commander.popen.wait(2 * FLOW) == 0, commander.text
            assert get(f"{known['url']}/health/ready") == 200
            wait_until(lambda: not observer.ask("totals").keys() & OPEN, MINUTE, "the end of every command")
            evidence = Evidence(
                rows=tuple(Row.read(row) for row in observer.ask("rows")),
                issued=tuple(read_record(tmp_path / "record")[0]),
                now=time.time(),
            )
    found = {violation.name for violation in checker.check(evidence)}
    # These clients keep no count of effects, and the pings through REST are on nobody's record.
    assert found <= {"succeeded_without_effect", "totals_differ"}, checker.check(evidence)
    assert sum(row.state == "SUCCEEDED" for row in evidence.rows) > 50
