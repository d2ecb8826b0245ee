"""One gRPC channel per process, event loop and address, and the options of both ends."""

import asyncio
from weakref import WeakKeyDictionary

import grpc

from .config import StreamingConfig

Options = list[tuple[str, int]]

CONTROL_MESSAGE_BYTES = 32 * 1024 * 1024
"""A batch of acks may be larger than any one of them."""

_channels: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, grpc.aio.Channel]]" = WeakKeyDictionary()


def channel_for(address: str) -> grpc.aio.Channel:
    """The running loop's channel to `address`, made when first asked for; never call it before a fork."""
    mine = _channels.setdefault(asyncio.get_running_loop(), {})
    channel = mine.get(address)
    if channel is None:
        channel = mine[address] = grpc.aio.insecure_channel(address, options=client_options())
    return channel


async def close_channels() -> None:
    """Close those of the running loop."""
    for channel in _channels.pop(asyncio.get_running_loop(), {}).values():
        await channel.close()


def client_options(max_message_bytes: int = CONTROL_MESSAGE_BYTES) -> Options:
    return [
        *_keepalive(),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        # A restarted server is found again within a second or two, not within the default two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        # Despite its name also how long one attempt to connect may take.
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]


def server_options(config: StreamingConfig | None = None) -> Options:
    # A little more than a command may have, for the envelope of a control batch.
    limit = (config or StreamingConfig()).max_message_bytes + 65_536
    return [
        *_keepalive(),
        # Else clients that ping are cut off with "Too many pings".
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        # A second server started by mistake must fail to bind, not take half of the clients.
        ("grpc.so_reuseport", 0),
        # Thousands of clients that connect at once wait for their handler here; beyond the default of 1,000
        # grpc resets some of them at random (1,803 of 5,000 when measured).
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
        ("grpc.max_receive_message_length", limit),
        ("grpc.max_send_message_length", CONTROL_MESSAGE_BYTES),
        # What a client may park here while its stream is not read: 252 KiB instead of 4 MiB.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 262_144),
    ]


def _keepalive() -> Options:
    return [
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),
    ]
