"""Canceling: what waits ends at once; what is under way ends when its client lets its time pass without an ack."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from crypto.models import Cause, State, clock
from crypto.services.ledger.sql.rows import Row, by_id, lock
from crypto.services.ledger.void import Waiting, request_cancel, void


@dataclass(frozen=True, slots=True)
class Canceled:
    """Each id that was asked for and is in the ledger is in one of these."""

    ended: list[UUID]
    """They waited and are CANCELED."""
    requested: list[UUID]
    """They are under way: an ack in time wins, else they end CANCELED, with their outcome unknown."""
    over: list[UUID]
    """They had ended before."""


def cancel(ids: list[UUID], principal: str = "") -> Canceled:
    """Cancel rows on behalf of `principal`. One transaction; safe to repeat, and to race with everything else."""
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
