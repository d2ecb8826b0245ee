"""How attempts end: an ack lands, or an attempt misses. The only writers of outcomes."""

from .ack import UNKNOWN, Ack, ledger_id
from .events import ended_unsent, finished
from .record_acks import confirmed, land
from .record_failures import PARK, WAITS, Miss, miss, no_route, overdue

__all__ = [
    "PARK",
    "UNKNOWN",
    "WAITS",
    "Ack",
    "Miss",
    "confirmed",
    "ended_unsent",
    "finished",
    "land",
    "ledger_id",
    "miss",
    "no_route",
    "overdue",
]
