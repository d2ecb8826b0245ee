from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Service:
    """One process to be kept running."""

    name: str
    argv: tuple[str, ...]
    ready: Probe | Path
    """Asked again and again after the start until it says yes; or the file that the process is told
    in READY_FILE to make (see crypto.supervisor.readiness)."""
    env: Mapping[str, str] = field(default_factory=dict)
    """On top of the supervisor's own environment."""
    ready_within: float = 180.0
    """Seconds after which a start counts as failed."""
    grace: float = 15.0
    """Seconds between the request to end and the kill."""
