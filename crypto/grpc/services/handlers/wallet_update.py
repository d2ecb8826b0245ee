from uuid import UUID

from crypto.grpc.services.handlers.base import Handler, amount, identifier, moment, sent_at, symbol
from crypto.models import Wallet, clock
from crypto.services.reports.store import store_wallets
from crypto.wire.crypto_streaming_pb2 import ClientMessage


def parse(client_id: UUID, message: ClientMessage) -> Wallet:
    update = message.wallet_update
    dated = update.HasField("last_sync")
    return Wallet(
        client_id=client_id,
        wallet_id=identifier("wallet_id", update.wallet_id),
        symbol=symbol(update.symbol),
        available=amount("balance_available", update.balance_available or "0"),
        locked=amount("balance_locked", update.balance_locked or "0"),
        last_sync=moment(update.last_sync, True) if dated else sent_at(message),
        updated_at=clock.now(),
    )


HANDLER = Handler("wallet_update", parse, store_wallets)
