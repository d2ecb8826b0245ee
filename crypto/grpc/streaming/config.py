"""What a streaming service and a courier may be told."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class StreamingConfig:
    """Durations in seconds, sizes in bytes. Checked when made."""

    heartbeat_interval: float = 30.0
    """How often clients are expected to say something."""
    heartbeat_timeout: float = 90.0
    """A stream silent for so long is closed. Any message counts as life."""
    enable_ping: bool = True
    ping_interval: float = 60.0
    client_disconnect_grace: float = 5.0
    """The hooks are not told of a disconnect if the client is back within this time."""
    centrifugo_auto_publish_messages: bool = True
    centrifugo_channel_pattern: str = "crypto:{client_id}:updates"
    centrifugo_publish_all_channel: str = "crypto:all"
    registration_timeout: float = 10.0
    """A stream whose client says nothing at all is closed after this."""
    handover_timeout: float = 15.0
    """How long a command that nobody waits for may be queued, and how long it may then block its conflict class."""
    write_timeout: float = 10.0
    """A write stuck for longer (up to twice as long) ends the stream."""
    outbox_limit: int = 1_000
    """Messages waiting to be written to one client; further ones are refused."""
    pending_limit: int = 2_000
    """Commands of one client without ack; further ones are refused."""
    control_limit: int = 20_000
    """Orders one control stream may have open before it is not read any further."""
    max_message_bytes: int = 4 * 1024 * 1024
    drain_timeout: float = 10.0
    """How long a drain waits for acks."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            may_be_zero = field.name == "client_disconnect_grace"
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if value < 0 or (value == 0 and not may_be_zero):
                raise ValueError(f"{field.name} must be positive, not {value!r}")
        if self.heartbeat_timeout <= self.heartbeat_interval:
            raise ValueError("heartbeat_timeout must be longer than heartbeat_interval")


@dataclass(frozen=True, slots=True)
class CourierConfig:
    """Seconds, bytes and counts."""

    window: int = 2_000
    """Orders in flight per process; callers wait beyond it."""
    batch_orders: int = 500
    batch_bytes: int = 1024 * 1024
    max_command_bytes: int = 4 * 1024 * 1024
    margin: float = 2.0
    """How much longer than the order's own timeout the courier waits for the node's answer."""
    handover_timeout: float = 15.0
    """The timeout of orders that do not wait for the ack."""
    connect_timeout: float = 5.0
