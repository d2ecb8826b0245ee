"""The output of the supervisor and its services, each line with the name of who wrote it."""

import asyncio
import os
import sys
from typing import TextIO

COLORS = (36, 32, 33, 35, 34, 96, 92, 93)


class Journal:
    def __init__(self, names: list[str], stream: TextIO | None = None, quiet: bool = False) -> None:
        """`quiet` leaves out what the services print, not what the supervisor says."""
        self.stream = sys.stderr if stream is None else stream
        self.quiet = quiet
        self.width = max(map(len, ["up", *names]))
        colored = self.stream.isatty() and "NO_COLOR" not in os.environ
        self.colors = {name: COLORS[at % len(COLORS)] for at, name in enumerate(names)} if colored else {}

    def say(self, text: str) -> None:
        self._write("up", text)

    async def follow(self, name: str, output: asyncio.StreamReader) -> None:
        """Passes on a service's output line by line until it ends."""
        rest = b""
        while chunk := await output.read(65_536):
            *lines, rest = (rest + chunk).split(b"\n")
            self._pass_on(name, lines)
        self._pass_on(name, [rest] if rest else [])

    def _pass_on(self, name: str, lines: list[bytes]) -> None:
        if not self.quiet:
            for line in lines:
                self._write(name, line.decode(errors="replace").rstrip("\r"))

    def _write(self, name: str, text: str) -> None:
        label = f"{name:<{self.width}} |"
        if name in self.colors:
            label = f"\x1b[{self.colors[name]}m{label}\x1b[0m"
        try:
            self.stream.write(f"{label} {text}\n")
            self.stream.flush()
        except BrokenPipeError:
            # Nobody reads any more; that is no reason to stop the services.
            self.quiet = True
