from uuid import UUID

from crypto.grpc.services.handlers.base import Handler, sent_at, text
from crypto.models import ClientLog, clock
from crypto.services.reports.store import store_logs
from crypto.wire.crypto_streaming_pb2 import ClientMessage


def parse(client_id: UUID, message: ClientMessage) -> ClientLog:
    entry = message.log
    return ClientLog(
        client_id=client_id,
        message_id=text("message_id", message.message_id, 64) or None,
        level=text("level", entry.level, 32),
        message=text("message", entry.message, 10_000),
        extra_data=text("extra_data", entry.extra_data, 20_000),
        reported_at=sent_at(message),
        received_at=clock.now(),
    )


HANDLER = Handler("log", parse, store_logs)
