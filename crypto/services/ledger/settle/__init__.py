"""Settling: attempts end by an ack or without one. The only code that writes outcomes."""

from .ack import UNKNOWN, Ack, ledger_id
from .events import notify_finished
from .record_acks import confirmed, record_acks
from .record_failures import PARK, FailedAttempt, no_route, overdue, record_failures

__all__ = [
    "PARK",
    "UNKNOWN",
    "Ack",
    "FailedAttempt",
    "confirmed",
    "ledger_id",
    "no_route",
    "notify_finished",
    "overdue",
    "record_acks",
    "record_failures",
]
