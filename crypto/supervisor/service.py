"""What the supervisor keeps running, and how a service says that it is ready."""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Service:
    """A process to keep running."""

    name: str
    argv: tuple[str, ...]
    ready: Probe | Path
    """Asked again and again after the start until it says yes; or the file that the process is told
    in READY_FILE to make, as `say_ready` does."""
    env: Mapping[str, str] = field(default_factory=dict)
    """On top of the supervisor's own environment."""
    ready_within: float = 180.0
    """Seconds after which a start counts as failed."""
    grace: float = 15.0
    """Seconds between the request to end and the kill."""


def say_ready() -> None:
    """Makes the file named in READY_FILE, if it is set: from now on this process does its work."""
    path = os.environ.get("READY_FILE")
    if path:
        Path(path).touch()
