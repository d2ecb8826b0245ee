from uuid import UUID

from crypto.exceptions import InvalidMessage
from crypto.grpc.services.handlers.base import Handler, text
from crypto.services import conversion
from crypto.services.fleet.presence import Status, update_status
from crypto.wire.crypto_streaming_pb2 import ClientMessage


def parse(client_id: UUID, message: ClientMessage) -> Status:
    name = conversion.status_name(message.status.status)
    if not name:
        raise InvalidMessage(f"unknown status {message.status.status}")
    return Status(client_id, name, text("details", message.status.details, 10_000))


HANDLER = Handler("status", parse, update_status)
