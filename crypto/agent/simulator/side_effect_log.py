"""A record of what handlers did, kept outside of every journal for whoever checks the ledger later."""

import os
from pathlib import Path


class SideEffectLog:
    """A file with one line for each handler that ran to its end: client, command id, verb.

    A line is complete or absent, and it is there even if the process is killed right after.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def add(self, client_id: str, command_id: str, verb: str) -> None:
        os.write(self._file, f"{client_id} {command_id} {verb}\n".encode())
