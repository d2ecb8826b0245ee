"""The universal streaming core: clients on long-lived streams, commands to them, acks back.

Knows neither Django nor any message of a concrete service.
"""

from crypto.exceptions import ClientNotConnectedError, CommandError, CommandTimeoutError, InvalidMessage

from .channels import channel_for, client_options, close_channels, server_options
from .client import CommandClientConfig, StreamingCommandClient
from .close_reasons import CloseReason, ProtocolViolation
from .config import CourierConfig, StreamingConfig
from .control import ControlStream
from .control_protocol import ControlProtocol
from .courier import Courier
from .messages import Order, Outcome, OutcomeKind
from .registry import (
    clear_registry,
    get_streaming_service,
    is_registered,
    list_streaming_services,
    register_streaming_service,
    unregister_streaming_service,
)
from .service import BidirectionalStreamingService
from .session import Phase, Session

__all__ = [
    "BidirectionalStreamingService",
    "ClientNotConnectedError",
    "CloseReason",
    "CommandClientConfig",
    "CommandError",
    "CommandTimeoutError",
    "ControlProtocol",
    "ControlStream",
    "Courier",
    "CourierConfig",
    "InvalidMessage",
    "Order",
    "Outcome",
    "OutcomeKind",
    "Phase",
    "ProtocolViolation",
    "Session",
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
