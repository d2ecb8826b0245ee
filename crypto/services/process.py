"""How this process is named in histories and leases."""

import os
import socket
import sys
from functools import lru_cache
from pathlib import Path


def process_name() -> str:
    """`role@host:pid`; the role is the program or the management command that this process runs."""
    return _name(os.getpid())


@lru_cache(maxsize=4)  # by pid, for a fork has its own name
def _name(pid: int) -> str:
    program = Path(sys.argv[0])
    words = [program.parent.name if program.stem == "__main__" else program.stem, *sys.argv[1:2]]
    role = words[1] if words[0] == "manage" and len(words) > 1 else words[0]
    return f"{role or 'python'}@{socket.gethostname()}:{pid}"
