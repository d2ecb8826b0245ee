"""What a handler is: how one kind of client message is checked, and how a batch of it is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from crypto.commands.parameters import SYMBOL
from crypto.exceptions import InvalidMessage
from crypto.models import clock
from crypto.models.amount import DIGITS, LIMIT, PLACES
from crypto.services import conversion
from crypto.services.reports.inbox import Store
from crypto.wire.crypto_streaming_pb2 import ClientMessage

AHEAD = timedelta(minutes=5)
"""How far ahead a client's clock may be. A later time counts as now: it would outrank every report to come."""
STEP = Decimal(10) ** -PLACES
EXACT = Context(prec=2 * DIGITS)


@dataclass(frozen=True, slots=True)
class Handler:
    """`parse` answers with the record to store and raises InvalidMessage for a bad one."""

    payload: str
    """Name of the field in the ClientMessage oneof."""
    parse: Callable[[UUID, ClientMessage], Any]
    store: Store


def identifier(name: str, value: str, length: int = 128) -> str:
    if not value or len(value) > length or not value.isprintable():
        raise InvalidMessage(f"{name} must have between 1 and {length} printable characters")
    return value


def text(name: str, value: str, length: int) -> str:
    """NUL characters are dropped: PostgreSQL does not keep them."""
    if len(value) > length:
        raise InvalidMessage(f"{name} has more than {length} characters")
    return value.replace("\x00", "")


def symbol(value: str) -> str:
    if not SYMBOL.fullmatch(value):
        raise InvalidMessage(f"not a symbol: {value[:40]!r}")
    return value


def amount(name: str, value: str) -> Decimal:
    """A non-negative decimal that the database holds exactly."""
    try:
        number = Decimal(value) if len(value) <= 100 else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise InvalidMessage(f"{name} is not a non-negative decimal: {value[:40]!r}")
    if number >= LIMIT or number != number.quantize(STEP, context=EXACT):
        raise InvalidMessage(
            f"{name} has more digits than {DIGITS - PLACES} before and {PLACES} after the point"
        )
    return number


def moment(timestamp: Timestamp, present: bool) -> datetime:
    """The client's time, or now where it gave none or one from the future."""
    now = clock.now()
    at = conversion.moment(timestamp, present)
    return at if at is not None and at <= now + AHEAD else now


def sent_at(message: ClientMessage) -> datetime:
    return moment(message.timestamp, message.HasField("timestamp"))
