"""From wire messages to the types of the use cases."""

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from crypto.services.ledger.settle import Ack, ledger_id
from crypto.wire.common_pb2 import ClientStatus as WireStatus
from crypto.wire.common_pb2 import CommandAck

STATUS_NAMES: dict[int, str] = {
    number: name.removeprefix("CLIENT_STATUS_") for name, number in WireStatus.items() if number
}
MAX_TEXT = 10_000
"""Characters of a message that are stored."""
MAX_DATA = 256 * 1024
"""Characters of an ack's data; longer data are not stored."""


def status_name(number: int) -> str:
    """Empty for UNKNOWN and for numbers that this version does not know."""
    return STATUS_NAMES.get(number, "")


def moment(timestamp: Timestamp, present: bool = True) -> datetime | None:
    """None for an absent timestamp or one outside the calendar."""
    if not present:
        return None
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        return None


def ack(client_id: UUID, wire: CommandAck) -> Ack:
    """Texts are cut to the length that the ledger stores."""
    return Ack(
        command_id=ledger_id(client_id, wire.command_id),
        client_id=client_id,
        success=wire.success,
        message=plain(wire.message, MAX_TEXT),
        error=plain(wire.error, 200),
        status=status_name(wire.current_status),
        data=wire.data if len(wire.data) <= MAX_DATA and "\x00" not in wire.data else "",
        at=moment(wire.timestamp, wire.HasField("timestamp")),
    )


def plain(text: str, length: int) -> str:
    """Cut to `length`, without NUL characters, which PostgreSQL refuses."""
    return text[:length].replace("\x00", "")
