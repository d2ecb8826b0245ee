"""Voiding: ending queued rows before they are sent. Used by claiming, canceling, superseding and sweeping."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from crypto.models import Cause, State
from crypto.models.cause import UNCERTAIN
from crypto.services.ledger.admission import unsent
from crypto.services.ledger.settle.events import notify_finished
from crypto.services.ledger.sql.rows import by_id
from crypto.services.process import process_name

BATCH = 5_000
"""Rows in one statement, at most."""


class Waiting(NamedTuple):
    """A locked row that is QUEUED."""

    id: UUID
    seen: bool


def void(
    rows: Iterable[Waiting], to: State, *, cause: Cause, why: str = "", now: datetime, **changes: Any
) -> list[UUID]:
    """End these rows in state `to`, in the caller's transaction; returns their ids.

    If an earlier attempt of a row may have taken effect, its reason says so, and it ends TIMED_OUT instead of a state
    which says that the client has not seen it.
    """
    ended: dict[bool, list[UUID]] = defaultdict(list)
    for row in rows:
        ended[row.seen].append(row.id)
    for seen, ids in ended.items():
        text = (why or cause.label) + (UNCERTAIN if seen else "")
        for at in range(0, len(ids), BATCH):
            by_id(ids[at : at + BATCH], State.QUEUED).move(
                unsent(to, seen),
                cause=cause,
                why=text,
                process=process_name(),
                now=now,
                finished_at=now,
                held=False,
                **changes,
            )
        notify_finished(ids)
    return [*ended[False], *ended[True]]


def request_cancel(ids: list[UUID], why: str, now: datetime) -> None:
    """Mark these locked, SENT rows: no further attempt follows. An ack in time still counts."""
    for at in range(0, len(ids), BATCH):
        by_id(ids[at : at + BATCH], State.SENT).filter(cancel_requested_at=None).update(
            cancel_requested_at=now,
            cause=Cause.CANCEL_REQUESTED,
            reason=Cause.CANCEL_REQUESTED.label + why,
        )
