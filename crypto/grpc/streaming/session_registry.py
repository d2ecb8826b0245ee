"""Which session belongs to which client. The newest wins; a client that is back within the grace was never gone."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from crypto.ids import canonical_id

from .close_reasons import FINISHED, REPLACED, CloseReason
from .config import StreamingConfig
from .deadlines import Deadlines
from .session import Session


class Owner(Protocol):
    """The service, as far as the registry needs it."""

    config: StreamingConfig
    deadlines: Deadlines
    draining: bool

    async def on_connected(self, session: Session, message: Any) -> None: ...

    async def on_disconnected(self, session: Session, reason: CloseReason) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...


class Grace:
    """A client whose stream ended and who may still come back. Stands in the deadlines meanwhile."""

    __slots__ = ("_on_over", "reason", "session", "slot")

    def __init__(self, session: Session, reason: CloseReason, on_over: Callable[["Grace"], None]) -> None:
        self.session = session
        self.reason = reason
        self.slot = 0
        self._on_over = on_over

    def expire(self) -> None:
        self._on_over(self)


class SessionRegistry:
    """Belongs to the event loop of the service; `sessions` may be read from any thread."""

    def __init__(self, owner: Owner) -> None:
        self.sessions: dict[str, Session] = {}
        """The newest session of each client, by its canonical id."""
        self._owner = owner
        self._connecting: dict[str, asyncio.Task[None]] = {}
        """`on_connected` at work, by client: never two at once for one of them."""
        self._announced: dict[str, Session] = {}
        """The session by which the hooks know a client: from `on_connected` to `on_disconnected`."""
        self._graces: dict[str, Grace] = {}

    async def enter(self, session: Session, client_id: str, message: Any) -> None:
        """Take the client over from whoever had it, and tell the hooks, unless the session ends meanwhile."""
        session.register(client_id)
        client_id = session.client_id
        previous = self.sessions.get(client_id)
        self.sessions[client_id] = session
        if previous is not None:
            previous.close(REPLACED)
        while (connecting := self._connecting.get(client_id)) is not None:
            await asyncio.wait({connecting})
        if session.has_ended():
            return
        grace = self._graces.pop(client_id, None)
        if grace is not None:
            self._owner.deadlines.discard(grace)
        session.resumed = client_id in self._announced
        await self._connect(session, message)
        session.connected()

    def find(self, client_id: str) -> Session | None:
        """The client's newest session, however the id is spelled; from any thread."""
        return self.sessions.get(client_id) or self.sessions.get(canonical_id(client_id))

    def leave(self, session: Session) -> None:
        """A session ended. The hooks hear of it after the grace, unless the client is back."""
        client_id = session.client_id
        if self.sessions.get(client_id, session) is not session:
            return  # the client has a newer session
        self.sessions.pop(client_id, None)
        if client_id in self._connecting:
            return  # the hook must finish what it has begun: its handler comes back here then
        known = self._announced.get(client_id)
        if known is not None and client_id not in self._graces:
            self._start_grace(known, session)

    def end_graces(self) -> None:
        """Tell the hooks now of everybody who has left."""
        for grace in list(self._graces.values()):
            self._owner.deadlines.discard(grace)
            grace.expire()

    async def _connect(self, session: Session, message: Any) -> None:
        task = self._connecting[session.client_id] = session.loop.create_task(
            self._announce(session, message)
        )
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            # The client is gone already. The hook must finish what it has begun: its undoing comes after.
            await asyncio.wait({task})
            raise

    async def _announce(self, session: Session, message: Any) -> None:
        try:
            await self._owner.on_connected(session, message)
            self._announced[session.client_id] = session
        finally:
            del self._connecting[session.client_id]

    def _start_grace(self, known: Session, ended: Session) -> None:
        grace = Grace(known, ended.close_reason or FINISHED, self._give_up)
        self._graces[known.client_id] = grace
        seconds = self._owner.config.client_disconnect_grace
        if self._owner.draining or not seconds:
            grace.expire()
        else:
            self._owner.deadlines.add(grace, ended.loop.time() + seconds)

    def _give_up(self, grace: Grace) -> None:
        client_id = grace.session.client_id
        del self._graces[client_id], self._announced[client_id]
        self._owner.spawn(self._owner.on_disconnected(grace.session, grace.reason))
