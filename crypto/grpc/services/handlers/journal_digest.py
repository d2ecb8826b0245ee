from uuid import UUID

from crypto.exceptions import InvalidMessage
from crypto.services import conversion
from crypto.services.ledger.settle import UNKNOWN, Ack, ledger_id
from crypto.wire.crypto_streaming_pb2 import ClientMessage

MAX_ENTRIES = 10_000


def acks(client_id: UUID, message: ClientMessage) -> list[Ack]:
    """What the client's journal says of commands. Raises InvalidMessage."""
    digest = message.journal_digest
    if len(digest.finished) + len(digest.unknown) > MAX_ENTRIES:
        raise InvalidMessage(f"a journal digest of more than {MAX_ENTRIES} entries")
    unknown = [
        Ack(ledger_id(client_id, command_id), client_id, False, "the client crashed while it ran", UNKNOWN)
        for command_id in digest.unknown
    ]
    return [conversion.ack(client_id, ack) for ack in digest.finished] + unknown
