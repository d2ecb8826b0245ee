"""Channels to the server."""

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
