"""A client whose stream ended, not yet given up."""

from collections.abc import Callable

from .ending import StreamEnd
from .session import Session


class Departure:
    """Stands in the deadlines for the grace."""

    __slots__ = ("_gone", "end", "session", "slot")

    def __init__(self, session: Session, end: StreamEnd, gone: Callable[["Departure"], None]) -> None:
        self.session = session
        self.end = end
        self.slot = 0
        self._gone = gone

    def expire(self) -> None:
        self._gone(self)
