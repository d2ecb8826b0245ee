"""How a client reaches its server: channels, and the pauses between attempts to connect."""

import random

from grpc import aio

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    # A channel that waits longer than its clients would answer them with its last failure.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Despite its name the time one attempt to connect may take.
    ("grpc.min_reconnect_backoff_ms", 10_000),
    # Channels of one process to one address would share a connection.
    ("grpc.use_local_subchannel_pool", 1),
)

STREAMS = 100
"""Streams on one connection: what proxies allow by default."""


def channel(server: str) -> aio.Channel:
    """A channel to HOST:PORT; call it inside the event loop."""
    return aio.insecure_channel(server, options=OPTIONS)


def channels(server: str, streams: int) -> list[aio.Channel]:
    """As many channels as that many streams need."""
    return [channel(server) for _ in range(-(-streams // STREAMS))]


class Backoff:
    """Exponential backoff with full jitter: each delay is uniform between 0 and a bound that doubles."""

    __slots__ = ("_base", "_cap", "_failures")

    def __init__(self, base: float = 1.0, cap: float = 30.0) -> None:
        """`base` bounds the first delay, `cap` every delay; both in seconds."""
        self._base, self._cap, self._failures = base, cap, 0

    def delay(self) -> float:
        """Seconds to wait after one more failure."""
        bound = min(self._cap, self._base * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return random.uniform(0.0, bound)

    def longest(self) -> float:
        """Seconds to wait after a failure that trying again does not cure."""
        return random.uniform(self._cap / 2, self._cap)

    def reset(self) -> None:
        """Starts over: the next failure counts as the first."""
        self._failures = 0
