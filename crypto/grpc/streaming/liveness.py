"""Watches one stream: first word, silence, stuck writes, pings."""

import random
from collections.abc import Callable

from .config import StreamingConfig
from .deadlines import Deadlines
from .ending import NO_HELLO, SILENT, STUCK
from .session import Session


class Liveness:
    """Stands in the service's deadlines as long as its session lives."""

    __slots__ = ("_config", "_deadlines", "_hello_due", "_next_ping", "_ping", "_session", "slot")

    def __init__(
        self, session: Session, config: StreamingConfig, deadlines: Deadlines, ping: Callable[[Session], None]
    ) -> None:
        self.slot = 0
        self._session = session
        self._config = config
        self._deadlines = deadlines
        self._ping = ping
        # Spread, so that thousands that connect together are not pinged together.
        self._next_ping = session.loop.time() + config.ping_interval * random.uniform(0.5, 1.0)
        self._hello_due = session.loop.time() + config.hello_timeout
        self._go_on(session.loop.time())

    def stop(self) -> None:
        self._deadlines.discard(self)

    def expire(self) -> None:
        session, config, now = self._session, self._config, self._session.loop.time()
        if session.end is not None:
            return
        if session.busy:
            # We are the ones who do not read.
            session.last_seen = now
        if not session.client_id and now >= self._hello_due:
            session.close(NO_HELLO)
        elif session.writing_since and now - session.writing_since >= config.write_timeout:
            session.close(STUCK)
        elif now - session.last_seen >= config.heartbeat_timeout:
            session.close(SILENT)
        else:
            self._go_on(now)

    def _go_on(self, now: float) -> None:
        config = self._config
        due = min(self._session.last_seen + config.heartbeat_timeout, now + config.write_timeout)
        if config.enable_ping:
            if now >= self._next_ping:
                self._next_ping = now + config.ping_interval
                self._ping(self._session)
            due = min(due, self._next_ping)
        if not self._session.client_id:
            due = min(due, self._hello_due)
        if self._session.end is None:
            self._deadlines.add(self, due)
