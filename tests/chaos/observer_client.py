"""The harness' end of the process that reads the ledger."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.processes import ROOT


class Observer:
    """Asks the process that reads the ledger."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.observer"],
            env=dict(env),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("ab"),
            text=True,
        )

    def ask(self, question: str) -> Any:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(question + "\n")
        self._popen.stdin.flush()
        return json.loads(self._popen.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._popen.kill()
        self._popen.wait()
