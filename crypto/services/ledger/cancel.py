"""Canceling: what waits ends at once; what is under way ends when its client lets its time pass without an ack."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from crypto.models import State, clock
from crypto.services.ledger.settle import notify_finished
from crypto.services.ledger.sql.rows import by_id, lock
from crypto.services.process import process_name


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
    who = f" by {principal}" if principal else ""
    groups: dict[tuple[str, bool], list[UUID]] = defaultdict(list)
    with transaction.atomic():
        for row in lock(by_id(ids)):
            groups[row.state, row.seen].append(row.id)
        waiting = {seen: groups.pop((State.QUEUED, seen), []) for seen in (False, True)}
        for seen, rows in waiting.items():
            doubt = "; the outcome of an earlier attempt is unknown" if seen else ""
            by_id(rows, State.QUEUED).move(
                State.CANCELED,
                why=f"canceled{who}{doubt}",
                process=process_name(),
                now=now,
                cancel_requested_at=now,
                finished_at=now,
            )
            notify_finished(rows)
        requested = [id for (state, _), rows in groups.items() if state == State.SENT for id in rows]
        by_id(requested).filter(cancel_requested_at=None).update(
            cancel_requested_at=now, reason=f"cancel requested{who}"
        )
    over = [id for (state, _), rows in groups.items() if state != State.SENT for id in rows]
    return Canceled(waiting[False] + waiting[True], requested, over)
