import os
from pathlib import Path


def say_ready() -> None:
    """Tells whoever set READY_FILE, if anybody did, that this process does its work from now on."""
    path = os.environ.get("READY_FILE")
    if path:
        Path(path).touch()
