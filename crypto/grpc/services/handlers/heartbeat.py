from uuid import UUID

from crypto.grpc.services.handlers.base import Handler
from crypto.services.fleet.presence import touch
from crypto.wire.crypto_streaming_pb2 import ClientMessage


def parse(client_id: UUID, message: ClientMessage) -> UUID:
    return client_id


HANDLER = Handler("heartbeat", parse, touch)
