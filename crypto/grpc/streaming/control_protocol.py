"""How a service's orders and outcomes look on the wire between a courier and a node."""

from collections.abc import Iterable
from typing import Any, Generic

import grpc

from .messages import Order, Outcome, TCommand

ControlCall = Any
"""A grpc.aio.StreamStreamCall of batches and replies."""


class ControlProtocol(Generic[TCommand]):
    """Override the first three. All are called on the courier's event loop."""

    def open(self, channel: grpc.aio.Channel) -> ControlCall:
        """Begin the node's control call."""
        raise NotImplementedError

    def pack(self, orders: list[Order[TCommand]]) -> Any:
        """The batch that carries these orders."""
        raise NotImplementedError

    def unpack(self, reply: Any) -> Iterable[Outcome]:
        """The outcomes that a reply carries."""
        raise NotImplementedError

    def on_unclaimed(self, outcomes: list[Outcome]) -> None:
        """These arrived after the courier had given up waiting for them."""
