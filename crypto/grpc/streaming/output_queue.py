"""What a message processor puts messages into that shall go to its client."""

import asyncio
from typing import Generic

from .hooks import TCommand
from .session import Session


class OutputQueue(Generic[TCommand]):
    """The sending half of an `asyncio.Queue` whose messages go to one client. What is put in after the stream has
    ended goes nowhere. Belongs to the service's event loop."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    async def put(self, message: TCommand) -> None:
        """Waits while too many messages wait to be written. Raises ValueError for a message that is too large."""
        await self._session.until_room()
        self.put_nowait(message)

    def put_nowait(self, message: TCommand) -> None:
        """Raises asyncio.QueueFull instead of waiting."""
        if self.full():
            raise asyncio.QueueFull
        if not self._session.post(message) and not self._session.has_ended():
            raise ValueError("the message is too large")

    def qsize(self) -> int:
        """Messages that wait to be written."""
        return self._session.unwritten

    def empty(self) -> bool:
        return not self._session.unwritten

    def full(self) -> bool:
        return not self._session.has_room()
