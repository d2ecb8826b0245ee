"""The crypto service's handlers, one file a message, and the hook by which the server finds the service."""

from collections.abc import Callable

import grpc

from crypto.grpc.services.config import streaming_config
from crypto.grpc.services.servicer import CryptoServicer
from crypto.grpc.services.stream import CryptoStreams
from crypto.grpc.streaming import register_streaming_service
from crypto.services.delivery.transport import SERVICE
from crypto.wire.crypto_streaming_pb2_grpc import add_CryptoStreamingServiceServicer_to_server


def grpc_handlers(server: grpc.aio.Server | None) -> list[tuple[type, Callable[..., None]]]:
    """Registers the service on the server when one is given; from then on this process holds the streams."""
    if server is not None:
        streams = CryptoStreams(streaming_config())
        register_streaming_service(SERVICE, streams)
        add_CryptoStreamingServiceServicer_to_server(CryptoServicer(streams), server)
    return [(CryptoServicer, add_CryptoStreamingServiceServicer_to_server)]
