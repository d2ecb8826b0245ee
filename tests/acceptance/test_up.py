"""`manage.py up` with real processes."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import pytest

from tests.support.installation import STARTED, Ports, announced, belonging_to, call, get, pid_of, start
from tests.support.processes import Process, environment, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Path, dict[str, Any]]]:
    tmp_path = tmp_path_factory.mktemp("up")
    with start(tmp_path, Ports.free(), "--fleet=3") as process:
        yield process, tmp_path, announced(process)


def test_announces_what_answers(running: tuple[Process, Path, dict[str, Any]]) -> None:
    _, _, known = running
    assert get(f"{known['url']}/health/ready") == 200
    assert get(f"{known['admin']}login/") == 200
    assert known["password"]
    assert known["token"]
    status, body, _ = call(known, "POST", f"{known['api']}commands/{UUID(known['client_id'])}/ping/")
    assert status == 200
    assert body["command_result"]["success"] is True


def test_second_start_on_the_same_data_is_refused(
    running: tuple[Process, Path, dict[str, Any]], tmp_path: Path
) -> None:
    _, first, _ = running
    env = environment(first / "var")
    with Process.manage(
        "up", "--no-server", *Ports.free().options, env=env, output=tmp_path / "log"
    ) as second:
        assert second.popen.wait(STARTED) == 2
        assert "Already running" in second.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("redis", ("redis-server",)),
        ("server", ("rungrpc",)),
        ("web", ("uvicorn",)),
        ("workers", ("dramatiq", "bulk")),
        ("urgent", ("dramatiq", "--queues urgent")),
        ("scheduler", ("manage.py scheduler",)),
        ("agents", ("crypto.agent",)),
    ],
)
def test_killed_service_comes_back(
    running: tuple[Process, Path, dict[str, Any]], name: str, words: tuple[str, ...]
) -> None:
    process, tmp_path, known = running
    before = belonging_to(tmp_path / "var")
    victim = pid_of(tmp_path / "var", *words)
    os.kill(victim, signal.SIGKILL)
    process.wait_for_text(f"{name} ended with -9; restarting", 30)
    process.wait_for_text(f"{name} is back", STARTED)
    assert process.text.count(" is back") == process.text.count("; restarting in")
    wait_until(lambda: len(belonging_to(tmp_path / "var")) == len(before), 30, "as many processes as before")
    assert pid_of(tmp_path / "var", *words) != victim
    assert get(f"{known['url']}/health/ready") == 200


def test_one_ctrl_c_stops_everything(tmp_path: Path) -> None:
    with start(tmp_path, Ports.free()) as process:
        announced(process)
        process.signal(signal.SIGINT)
        assert process.popen.wait(30) == 0
        assert belonging_to(tmp_path / "var") == {}
        assert "was killed" not in process.text


def test_two_signals_at_once_are_one_request(tmp_path: Path) -> None:
    with start(tmp_path, Ports.free(), "--no-server") as process:
        announced(process)
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGINT)
        assert process.popen.wait(30) == 0
        assert "Worker has been shut down" in process.text


def test_signal_during_the_start_stops_what_had_started(tmp_path: Path) -> None:
    with start(tmp_path, Ports.free(), "--no-server") as process:
        wait_until(
            lambda: any("redis-server" in one for one in belonging_to(tmp_path / "var").values()), STARTED
        )
        process.signal(signal.SIGINT)
        assert process.popen.wait(30) == 0
        assert belonging_to(tmp_path / "var") == {}


def test_killed_supervisor_leaves_no_orphan(tmp_path: Path) -> None:
    with start(tmp_path, Ports.free()) as process:
        announced(process)
        assert len(belonging_to(tmp_path / "var")) > 5
        process.kill()
        wait_until(lambda: not belonging_to(tmp_path / "var"), 30, "the end of all processes")


@pytest.mark.parametrize("role", ["web", "grpc", "redis"])
def test_taken_port_is_named_and_nothing_starts(tmp_path: Path, role: str) -> None:
    ports = Ports.free()
    with socket.create_server(("127.0.0.1", getattr(ports, role))), start(tmp_path, ports) as process:
        assert process.popen.wait(STARTED) == 2
        assert process.text.strip().splitlines() == [
            f"CommandError: Port {getattr(ports, role)} is taken; choose another one with --port-{role}."
        ]
        assert belonging_to(tmp_path / "var") == {}


def test_without_redis_the_messages_stay_in_memory(tmp_path: Path) -> None:
    with start(tmp_path, Ports.free(), "--no-redis", "--fleet=2") as process:
        known = announced(process)
        assert "keeps its messages in memory" in process.text
        assert not any("dramatiq" in command for command in belonging_to(tmp_path / "var").values())
        ping = f"{known['api']}commands/{known['client_id']}/ping/"
        status, _, log = call(known, "POST", ping, Prefer="respond-async")
        assert status == 202
        log = urljoin(known["url"], log)
        wait_until(lambda: call(known, "GET", log)[1]["state"] == "SUCCEEDED", 30, "the queued ping")
        process.signal(signal.SIGINT)
        assert process.popen.wait(30) == 0
