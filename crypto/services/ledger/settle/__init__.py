"""How attempts end: an ack lands, or an attempt misses. The only writers of outcomes."""

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
