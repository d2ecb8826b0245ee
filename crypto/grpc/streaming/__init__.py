"""The universal streaming core: clients on long-lived streams, commands to them, acks back.

Knows neither Django nor any message of a concrete service.
"""

from crypto.exceptions import ClientNotConnectedError, CommandError, CommandTimeoutError, InvalidMessage

from .channels import channel_for, client_options, close_channels, server_options
from .client import CommandClientConfig, StreamingCommandClient
from .config import StreamingConfig
from .control import ControlStream
from .courier import Courier
from .courier_config import CourierConfig
from .ending import ProtocolViolation, StreamEnd
from .order import Order
from .outcome import Outcome, OutcomeKind
from .registry import (
    clear_registry,
    get_streaming_service,
    is_registered,
    list_streaming_services,
    register_streaming_service,
    unregister_streaming_service,
)
from .service import BidirectionalStreamingService
from .session import Session

__all__ = [
    "BidirectionalStreamingService",
    "ClientNotConnectedError",
    "CommandClientConfig",
    "CommandError",
    "CommandTimeoutError",
    "ControlStream",
    "Courier",
    "CourierConfig",
    "InvalidMessage",
    "Order",
    "Outcome",
    "OutcomeKind",
    "ProtocolViolation",
    "Session",
    "StreamEnd",
    "StreamingCommandClient",
    "StreamingConfig",
    "channel_for",
    "clear_registry",
    "client_options",
    "close_channels",
    "get_streaming_service",
    "is_registered",
    "list_streaming_services",
    "register_streaming_service",
    "server_options",
    "unregister_streaming_service",
]
