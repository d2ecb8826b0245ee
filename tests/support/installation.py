"""A whole installation under `manage.py up`, as a test's guest: started, called, looked into."""

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import Process, environment, free_port

STARTED = 120.0
"""Seconds a start may take on a busy machine."""


@dataclass
class Ports:
    web: int
    grpc: int
    redis: int

    @classmethod
    def free(cls) -> "Ports":
        return cls(free_port(), free_port(), free_port())

    @property
    def options(self) -> list[str]:
        return [f"--port-{role}={port}" for role, port in vars(self).items()]


def belonging_to(data_dir: Path) -> dict[int, str]:
    """All processes that run on this data directory: pid and command line."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            variables = (directory / "environ").read_bytes().split(b"\0")
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            # Redis writes its title over its environment, but works inside the data directory.
            inside = (directory / "cwd").readlink().is_relative_to(data_dir)
        except OSError:
            continue
        if command and (inside or f"DATA_DIR={data_dir}".encode() in variables):
            found[int(directory.name)] = command
    return found


def pid_of(data_dir: Path, *words: str) -> int:
    """The oldest process whose command line has all these words: the leader, not what it started."""
    return min(
        pid for pid, command in belonging_to(data_dir).items() if all(word in command for word in words)
    )


def start(tmp_path: Path, ports: Ports, *options: str) -> Process:
    data_dir = tmp_path / "var"
    arguments = ["up", "--json", *ports.options, *options]
    return Process.manage(*arguments, env=environment(data_dir), output=tmp_path / "up.log")


def announced(process: Process) -> dict[str, Any]:
    process.wait_for_text('{"url"', STARTED)
    line = next(line for line in process.text.splitlines() if line.startswith('{"url"'))
    loaded: dict[str, Any] = json.loads(line)
    return loaded


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as response:
        return int(response.status)


def call(known: dict[str, Any], method: str, url: str, **headers: str) -> tuple[int, dict[str, Any], str]:
    """Status, body and Location of an authenticated REST call."""
    request = urllib.request.Request(url, method=method, headers={"Authorization": f"Token {known['token']}"})
    for name, value in headers.items():
        request.add_header(name, value)
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.status, json.load(response), response.headers.get("Location", "")
