from uuid import UUID

from crypto.grpc.services.handlers.base import Handler, sent_at, text
from crypto.models import ClientError, clock
from crypto.services.reports.store import store_errors
from crypto.wire.crypto_streaming_pb2 import ClientMessage


def parse(client_id: UUID, message: ClientMessage) -> ClientError:
    report = message.error
    return ClientError(
        client_id=client_id,
        message_id=text("message_id", message.message_id, 64) or None,
        severity=text("severity", report.severity, 32),
        message=text("message", report.message, 10_000),
        traceback=text("traceback", report.traceback, 50_000),
        reported_at=sent_at(message),
        received_at=clock.now(),
    )


HANDLER = Handler("error", parse, store_errors)
