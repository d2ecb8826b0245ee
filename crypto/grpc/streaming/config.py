"""What a streaming service and a courier may be told."""

from dataclasses import dataclass, fields
from inspect import get_annotations


@dataclass(frozen=True)
class StreamingConfig:
    """Durations in seconds, sizes in bytes. Checked when made.

    A subclass may say in class attributes what differs:

        class MyConfig(StreamingConfig):
            heartbeat_interval = 20

    Raises TypeError for a name or a type that does not fit, ValueError for a figure that does not.
    """

    heartbeat_interval: float = 30.0
    """How often clients are expected to say something."""
    heartbeat_timeout: float = 90.0
    """A stream silent for so long is closed. Any message counts as life."""
    enable_ping: bool = True
    ping_interval: float = 60.0
    client_disconnect_grace: float = 5.0
    """The hooks are not told of a disconnect if the client is back within this time."""
    centrifugo_auto_publish_messages: bool = True
    """This and the next two are kept for services that publish to Centrifugo. Nothing here reads them yet."""
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
    service_name: str = ""
    """The last part of the name of the service's logger."""

    def __init_subclass__(cls) -> None:
        own = {name for name, value in vars(cls).items() if not (name.startswith("_") or _is_method(value))}
        own.update(get_annotations(cls))
        known = {field.name: field.type for field in fields(StreamingConfig)}
        if unknown := sorted(own.difference(known)):
            raise TypeError(f"{cls.__name__}: there is no {', '.join(unknown)} in a StreamingConfig")
        cls.__annotations__ = {name: known[name] for name in own}
        dataclass(frozen=True)(cls)
        cls()

    @classmethod
    def made_from(cls, given: "StreamingConfig | type[StreamingConfig] | None") -> "StreamingConfig":
        """The config that is given as an instance, as a class, or not at all."""
        config = given() if isinstance(given, type) else cls() if given is None else given
        if not isinstance(config, StreamingConfig):
            raise TypeError(f"config must be a StreamingConfig, not {config!r}")
        return config

    def __post_init__(self) -> None:
        for field in fields(StreamingConfig):
            value, kind = getattr(self, field.name), type(field.default)
            number = kind in (int, float) and isinstance(value, int | float) and not isinstance(value, bool)
            if not number and type(value) is not kind:
                raise TypeError(f"{field.name} must be of type {kind.__name__}, not {value!r}")
            may_be_zero = field.name == "client_disconnect_grace"
            if number and not (value > 0 or (value == 0 and may_be_zero)):
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


def _is_method(value: object) -> bool:
    return callable(value) or hasattr(value, "__get__")
