"""Starts the project's own processes for tests, waits until they are ready, and stops them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from socket import create_connection, socket
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
POLL = 0.02
HOOKED = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'chaos' / 'hooks'}"}
"""Lets `tests.chaos.sabotage` change a process."""


def free_port() -> int:
    """A TCP port nobody has at the moment."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], object], timeout: float, what: str = "the condition") -> None:
    """Fails the test after `timeout` seconds without `what`."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{timeout} s without {what}")
        time.sleep(POLL)


def accepts_connections(port: int) -> bool:
    try:
        create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def environment(data_dir: Path, **overrides: str) -> dict[str, str]:
    """What a process of the project gets: this environment, a data directory of its own, SQLite, no Redis."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "STREAMING_ADDRESS")
    }
    return inherited | {"DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"} | overrides


class Process:
    """One process, group of its own, output in a file; leaving the `with` block kills the group."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], output: Path, *, cwd: Path = ROOT
    ) -> None:
        self.argv = list(argv)
        self.output = output
        with output.open("ab") as sink:
            self.popen = subprocess.Popen(
                self.argv, env=dict(env), cwd=cwd, stdout=sink, stderr=sink, start_new_session=True
            )

    @classmethod
    def python(cls, *arguments: str, env: Mapping[str, str], output: Path) -> "Process":
        return cls([sys.executable, *arguments], env, output)

    @classmethod
    def manage(cls, *arguments: str, env: Mapping[str, str], output: Path) -> "Process":
        return cls.python("manage.py", *arguments, env=env, output=output)

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def wait_for_text(self, expected: str, timeout: float = 30) -> None:
        self.wait_for(lambda: expected in self.text, timeout, repr(expected))

    def wait_for_port(self, port: int, timeout: float = 30) -> None:
        self.wait_for(lambda: accepts_connections(port), timeout, f"a listener on port {port}")

    def wait_for(self, condition: Callable[[], object], timeout: float, what: str) -> None:
        """Fails with the process' output when it ends before `condition` holds or takes too long."""

        def met_or_dead() -> bool:
            return bool(condition()) or not self.alive

        try:
            wait_until(met_or_dead, timeout, what)
        except AssertionError as late:
            raise AssertionError(f"{late}:\n{self.text}") from None
        assert condition(), f"ended with {self.popen.returncode} without {what}:\n{self.text}"

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """kill -9 to this process alone."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, timeout: float = 30) -> int:
        """SIGTERM; the exit code."""
        if self.alive:
            self.popen.terminate()
        return self.popen.wait(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
