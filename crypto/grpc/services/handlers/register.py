from uuid import UUID

from crypto.exceptions import InvalidMessage
from crypto.grpc.services.handlers.base import text
from crypto.services.fleet.presence import Arrival
from crypto.wire.crypto_streaming_pb2 import ClientMessage

MAX_CAPABILITIES = 64


def arrival(client_id: UUID, node_id: UUID, message: ClientMessage) -> Arrival:
    """The first message of a stream. Raises InvalidMessage."""
    registration = message.register
    if len(registration.capabilities) > MAX_CAPABILITIES:
        raise InvalidMessage(f"more than {MAX_CAPABILITIES} capabilities")
    return Arrival(
        client_id=client_id,
        node_id=node_id,
        name=text("client_name", registration.client_name, 200),
        type=text("client_type", registration.client_type, 100),
        version=text("version", registration.version, 100),
        api_url=text("api_url", registration.api_url, 500),
        capabilities=sorted({text("capability", c, 64) for c in registration.capabilities}),
        identity_epoch=text("identity_epoch", registration.identity_epoch, 64),
        config_version=max(0, registration.config_version),
    )
