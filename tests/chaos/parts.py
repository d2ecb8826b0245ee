"""The processes of a run: killed, frozen and started again under the same name."""

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from subprocess import TimeoutExpired

from tests.support.processes import Process

Launch = Callable[[int, Mapping[str, str]], Process]
"""Starts one life of a part: its number, counted from 1, and additions to the environment."""


class Part:
    def __init__(self, name: str, launch: Launch) -> None:
        self.name = name
        self.life = 0
        self.frozen = False
        self.wanted = False
        self.process: Process | None = None
        self._launch = launch

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.alive

    @property
    def free(self) -> bool:
        """Nothing is being done to it."""
        return self.alive and not self.frozen

    def start(self, **env: str) -> None:
        self.life += 1
        self.wanted = True
        self.process = self._launch(self.life, env)

    def kill(self) -> None:
        """kill -9 to all of it."""
        self.wanted = self.frozen = False
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.popen.wait()

    def freeze(self) -> None:
        self.frozen = True
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, and kill -9 if that takes too long."""
        self.wanted = False
        if self.alive and self.process is not None:
            self.thaw()
            with suppress(TimeoutExpired):
                self.process.stop(15)
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
