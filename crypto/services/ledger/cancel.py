"""Canceling: a queued row ends at once; a sent one only when its ack timeout passes without an ack."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from crypto.models import Cause, State, clock
from crypto.services.ledger.sql.rows import Row, by_id, lock
from crypto.services.ledger.void import Waiting, request_cancel, void


@dataclass(frozen=True, slots=True)
class Canceled:
    """Each requested id that is in the ledger is in exactly one of these lists."""

    ended: list[UUID]
    """They were queued and are CANCELED now."""
    requested: list[UUID]
    """They were sent: an ack in time still counts, else they end CANCELED with their outcome unknown."""
    over: list[UUID]
    """They had ended before."""


def cancel(ids: list[UUID], principal: str = "") -> Canceled:
    """Cancel rows on behalf of `principal`. One transaction; safe to repeat and to call concurrently."""
    now = clock.now()
    by = f" by {principal}" if principal else ""
    found: dict[str, list[Row]] = defaultdict(list)
    with transaction.atomic():
        for row in lock(by_id(ids)):
            found[row.state].append(row)
        waiting = [Waiting(row.id, row.seen) for row in found.pop(State.QUEUED, [])]
        ended = void(
            waiting,
            State.CANCELED,
            cause=Cause.CANCELED,
            why=Cause.CANCELED.label + by,
            now=now,
            cancel_requested_at=now,
        )
        requested = [row.id for row in found.pop(State.SENT, [])]
        request_cancel(requested, by, now)
    return Canceled(ended, requested, [row.id for rows in found.values() for row in rows])
