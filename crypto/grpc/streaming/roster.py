"""Which session speaks for which client: the newest wins, and who is gone a moment was never gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from .config import StreamingConfig
from .deadlines import Deadlines
from .departure import Departure
from .ending import FINISHED, REPLACED, StreamEnd
from .session import Session


class Owner(Protocol):
    """The service, as far as the roster needs it."""

    config: StreamingConfig
    deadlines: Deadlines
    draining: bool

    async def on_disconnected(self, session: Session, reason: StreamEnd) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...


class Roster:
    """Belongs to the event loop of the service; `sessions` may be read from any thread."""

    def __init__(self, owner: Owner) -> None:
        self.sessions: dict[str, Session] = {}
        self._owner = owner
        self._departures: dict[str, Departure] = {}

    async def enter(self, session: Session, client_id: str) -> bool:
        """Take the client over from whoever had it. False if somebody newer came while we waited."""
        session.client_id = client_id
        previous = session.predecessor = self.sessions.get(client_id)
        self.sessions[client_id] = session
        if previous is not None:
            previous.close(REPLACED)
        while (hook := _hook_at_work(session.predecessor)) is not None:
            await asyncio.wait({hook})
        if session.has_ended():
            return False
        departure = self._departures.pop(client_id, None)
        if departure is not None:
            self._owner.deadlines.discard(departure)
            departure.session.departed = False
            session.predecessor = departure.session
        session.resumed = _last_announced(session) is not None
        return True

    def leave(self, session: Session) -> None:
        """A session ended. The hooks hear of it after the grace, unless the client is back."""
        holder = self.sessions.get(session.client_id)
        if session.connecting is not None or holder not in (session, None):
            return
        self.sessions.pop(session.client_id, None)
        known = _last_announced(session)
        if known is None or known.departed:
            return
        known.departed = True
        departure = Departure(known, session.end or FINISHED, self._departed)
        self._departures[session.client_id] = departure
        grace = self._owner.config.client_disconnect_grace
        if self._owner.draining or not grace:
            departure.expire()
        else:
            self._owner.deadlines.add(departure, session.loop.time() + grace)

    def end_grace(self) -> None:
        """Tell the hooks now of everybody who has left."""
        for departure in list(self._departures.values()):
            self._owner.deadlines.discard(departure)
            departure.expire()

    def _departed(self, departure: Departure) -> None:
        del self._departures[departure.session.client_id]
        self._owner.spawn(self._owner.on_disconnected(departure.session, departure.end))


def _last_announced(session: Session | None) -> Session | None:
    """The session by which the hooks know this client."""
    while session is not None and not session.announced:
        session = session.predecessor
    return session


def _hook_at_work(session: Session | None) -> asyncio.Task[None] | None:
    """`on_connected` of one that was replaced before it was through."""
    while session is not None:
        if session.connecting is not None and not session.connecting.done():
            return session.connecting
        session = session.predecessor
    return None
