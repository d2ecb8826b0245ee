"""A file that counts what handlers did, outside of every journal, for whoever checks the ledger later."""

import os
from pathlib import Path


class Effects:
    """One line a handler that ran to its end: client, command id, verb. It survives the process' death."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def add(self, client_id: str, command_id: str, verb: str) -> None:
        os.write(self._file, f"{client_id} {command_id} {verb}\n".encode())
