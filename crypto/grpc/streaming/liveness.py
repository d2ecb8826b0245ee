"""Watches one stream: its first message, silence, stuck writes, pings."""

import random
from collections.abc import Callable

from .close_reasons import NOT_REGISTERED, SILENT, STUCK, CloseReason
from .config import StreamingConfig
from .deadlines import Deadlines
from .session import Phase, Session


class Liveness:
    """Stands in the service's deadlines as long as its session lives."""

    __slots__ = ("_config", "_deadlines", "_next_ping", "_ping", "_registration_due", "_session", "slot")

    def __init__(
        self, session: Session, config: StreamingConfig, deadlines: Deadlines, ping: Callable[[Session], None]
    ) -> None:
        self.slot = 0
        self._session = session
        self._config = config
        self._deadlines = deadlines
        self._ping = ping
        now = session.loop.time()
        # Spread, so that thousands that connect together are not pinged together.
        self._next_ping = now + config.ping_interval * random.uniform(0.5, 1.0)
        self._registration_due = now + config.registration_timeout
        self._watch(now)

    def stop(self) -> None:
        self._deadlines.discard(self)

    def expire(self) -> None:
        if self._session.has_ended():
            return
        now = self._session.loop.time()
        reason = self._verdict(now)
        if reason is not None:
            self._session.close(reason)
        else:
            self._watch(now)

    def _verdict(self, now: float) -> CloseReason | None:
        """Why the stream must be closed now; None if it may go on."""
        session, config = self._session, self._config
        if session.phase is Phase.GREETING and now >= self._registration_due:
            return NOT_REGISTERED
        if session.stuck_for(now) >= config.write_timeout:
            return STUCK
        if session.silent_for(now) >= config.heartbeat_timeout:
            return SILENT
        return None

    def _watch(self, now: float) -> None:
        """Ping if it is time, and come back when something may be due."""
        session, config = self._session, self._config
        silence_left = config.heartbeat_timeout - session.silent_for(now)
        due = now + min(silence_left, config.write_timeout)
        if config.enable_ping:
            if now >= self._next_ping:
                self._next_ping = now + config.ping_interval
                self._ping(session)
            due = min(due, self._next_ping)
        if session.phase is Phase.GREETING:
            due = min(due, self._registration_due)
        if not session.has_ended():
            self._deadlines.add(self, due)
