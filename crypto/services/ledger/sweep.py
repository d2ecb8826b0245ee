"""The sweeper: no row stays open past its deadline. Any number of processes may run it at the same time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from crypto.models import Cause, CommandLog, State, clock
from crypto.services.ledger.queue import enqueue
from crypto.services.ledger.settle import overdue
from crypto.services.ledger.sql.rows import by_id, lock
from crypto.services.ledger.void import Waiting, void

BATCH = 1_000
"""Rows in one transaction, at most."""
AGAIN = timedelta(seconds=30)
"""Time until a row that the sweeper enqueued is enqueued once more: its lane may have a backlog."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Numbers of rows."""

    enqueued: int = 0
    timed_out: int = 0


def sweep() -> Swept:
    """One pass over everything that is overdue."""
    enqueued = _repeat(_enqueue_overdue)
    _repeat(_expire)
    return Swept(enqueued, _repeat(_end_overdue))


def _repeat(step: Callable[[], int]) -> int:
    """Call `step` until it finds less than a full batch; returns the number of rows."""
    total = 0
    while found := step():
        total += found
        if found < BATCH:
            break
    return total


def _enqueue_overdue() -> int:
    """Enqueue queued rows that are due. The worker that claims them decides what becomes of them."""
    now = clock.now()
    with transaction.atomic():
        due = CommandLog.objects.filter(state=State.QUEUED, due_at__lte=now, held=False).order_by("due_at")
        rows = list(due.select_for_update(skip_locked=True).values_list("lane", "pk")[:BATCH])
        enqueued = by_id([pk for _, pk in rows], State.QUEUED)
        enqueued.update(due_at=now + AGAIN)
    if not enqueue(rows):
        enqueued.filter(due_at=now + AGAIN).update(due_at=now)
        return 0
    return len(rows)


def _expire() -> int:
    """End queued rows that have expired, even if no worker is running."""
    now = clock.now()
    with transaction.atomic():
        late = CommandLog.objects.filter(state=State.QUEUED, due_at__isnull=False, expires_at__lte=now)
        rows = lock(late, BATCH)
        waiting = [Waiting(row.id, row.seen) for row in rows]
        void(waiting, State.EXPIRED, cause=Cause.EXPIRED, now=now)
    return len(rows)


def _end_overdue() -> int:
    """End sent rows whose lease is over, because their worker has gone: their outcome is unknown."""
    now = clock.now()
    with transaction.atomic():
        rows = lock(CommandLog.objects.filter(state=State.SENT, due_at__lte=now), BATCH)
        overdue(rows, now)
    return len(rows)
