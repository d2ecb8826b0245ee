"""What a command handler may answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer. A handler that has nothing to say returns None instead."""

    message: str = ""
    data: Mapping[str, object] | None = None
    """Structured result; anything `json.dumps` takes."""
    after: Callable[[], None] | None = None
    """Called once the ack has been handed to the stream, or kept for the next one."""


class Refused(Exception):
    """Raised by a handler that will not run the command as it stands: do not try it again unchanged."""
