from uuid import UUID

from crypto.exceptions import InvalidMessage
from crypto.grpc.services.handlers.base import Handler, amount, identifier, sent_at, symbol, text
from crypto.models import Transaction, TransactionType
from crypto.services.reports.store import store_transactions
from crypto.wire.crypto_streaming_pb2 import ClientMessage


def parse(client_id: UUID, message: ClientMessage) -> Transaction:
    report = message.transaction
    if report.type not in TransactionType.values:
        raise InvalidMessage(f"unknown transaction type {report.type[:40]!r}")
    return Transaction(
        client_id=client_id,
        transaction_id=identifier("transaction_id", report.transaction_id),
        type=report.type,
        symbol=symbol(report.symbol),
        amount=amount("amount", report.amount),
        status=text("status", report.status, 64),
        details=text("details", report.details, 20_000),
        reported_at=sent_at(message),
    )


HANDLER = Handler("transaction", parse, store_transactions)
