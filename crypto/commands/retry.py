"""When a failed attempt is tried again, and after which delay."""

import random
from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    """The ways an attempt can fail that may be worth another attempt. A rejection is never retried."""

    NO_ROUTE = "no_route"
    """The client has no stream on a live node; it has not seen the command."""
    NOT_HANDED_OVER = "not_handed_over"
    """The stream or the node was full; the client has not seen the command."""
    TIMEOUT = "timeout"
    """Handed over and no ack came, or the connection ended first: the outcome is unknown."""
    FAILED = "failed"
    """The client ran the command and reported failure."""


SAFE = frozenset({Failure.NO_ROUTE, Failure.NOT_HANDED_OVER, Failure.TIMEOUT})
"""Classes in which the client has not reported an outcome: the same id may be sent again."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter (the delay is uniform between 0 and the backoff)."""

    attempts: int = 3
    """How often a command is handed to the wire at most, the first time included."""
    base: float = 1.0
    """Upper bound of the first delay, in seconds."""
    cap: float = 60.0
    """Upper bound of any delay, in seconds."""
    on: frozenset[Failure] = SAFE

    def retries(self, failure: Failure, attempt: int, limit: int | None = None) -> bool:
        """Whether attempt number `attempt` (from 1), having failed so, is followed by another."""
        return failure in self.on and attempt < (limit or self.attempts)

    def delay(self, attempt: int, jitter: random.Random) -> float:
        """Seconds to wait after attempt number `attempt`."""
        return jitter.uniform(0.0, min(self.cap, self.base * 2.0 ** min(attempt - 1, 32)))

    def pause(self, waited: float, jitter: random.Random) -> float:
        """Seconds to wait once more after having waited `waited` seconds in all; for waits that are not counted."""
        return jitter.uniform(0.0, min(self.cap, max(self.base, waited)))
