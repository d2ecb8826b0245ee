"""Storing attempts that ended without an ack: the row is tried again or ends."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from crypto.commands import Failure
from crypto.models import Cause, Offline, State, clock
from crypto.services.ledger.admission import unsent
from crypto.services.ledger.sql.rows import Row, by_id, lock
from crypto.services.process import process_name

from .events import notify_finished
from .retry import retry_at, retry_later

PARK = timedelta(seconds=60)
"""A row that waits for its client is enqueued this often, in case the message sent on connect was lost."""
UNSEEN = frozenset({Failure.NO_ROUTE, Failure.NOT_HANDED_OVER})
"""Failures after which it is certain that the client has not seen the command."""
CAUSES = {
    Failure.NO_ROUTE: Cause.NOT_CONNECTED,
    Failure.NOT_HANDED_OVER: Cause.NOT_HANDED_OVER,
    Failure.TIMEOUT: Cause.NO_ACK,
}


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that ended without an ack. If another attempt has claimed the row since, nothing happens."""

    command_id: UUID
    claim: UUID
    failure: Failure
    why: str


class _Failed(NamedTuple):
    """A row whose attempt failed; the attempt is counted already."""

    row: Row
    failure: Failure
    cause: Cause
    why: str


def record_failures(failed: list[FailedAttempt]) -> dict[UUID, State]:
    """Store attempts that ended without an ack. One transaction; safe to repeat.

    Returns the states of the rows that were changed.
    """
    if not failed:
        return {}
    now = clock.now()
    wanted = {(each.command_id, each.claim): each for each in failed}
    with transaction.atomic():
        rows = lock(by_id([each.command_id for each in failed], State.SENT))
        found = [
            (row, wanted[row.id, row.claim]) for row in rows if row.claim and (row.id, row.claim) in wanted
        ]
        return _store(
            [_Failed(row, each.failure, CAUSES[each.failure], each.why) for row, each in found], now
        )


def overdue(rows: list[Row], now: datetime) -> None:
    """End the attempts of rows whose lease is over; the rows are locked and SENT."""
    _store([_Failed(row, Failure.TIMEOUT, Cause.NO_WORD, Cause.NO_WORD.label) for row in rows], now)


def no_route(rows: list[Row], now: datetime) -> None:
    """Count an attempt of rows whose client is not connected; the rows are locked and QUEUED."""
    cause = Cause.NOT_CONNECTED
    failed = [
        _Failed(row._replace(attempt=row.attempt + 1), Failure.NO_ROUTE, cause, cause.label) for row in rows
    ]
    _store(failed, now, State.QUEUED)


class _Transition(NamedTuple):
    """How a failed attempt changes its row; all rows with the same one are written by one UPDATE."""

    state: State
    cause: Cause
    why: str
    seen: bool
    """The client may have seen the command."""
    attempt: int
    due_at: datetime | None = None
    """None: the row ends."""
    retry_at: datetime | None = None


def _store(failed: Iterable[_Failed], now: datetime, before: State = State.SENT) -> dict[UUID, State]:
    groups: dict[_Transition, list[UUID]] = defaultdict(list)
    for each in failed:
        groups[_transition(each, now)].append(each.row.id)
    for transition, ids in groups.items():
        changes = {**transition._asdict(), "claim": None}
        del changes["state"]
        if transition.due_at is None:
            changes["finished_at"] = now
            notify_finished(ids)
        by_id(ids, before).move(transition.state, process=process_name(), now=now, **changes)
    return {id: transition.state for transition, ids in groups.items() for id in ids}


def _transition(failed: _Failed, now: datetime) -> _Transition:
    row, failure, cause, why = failed
    row = row._replace(seen=row.seen or failure is Failure.TIMEOUT)
    transition = partial(_Transition, seen=row.seen, attempt=row.attempt)
    if row.cancel_requested_at is not None:
        doubt = "no ack came, outcome unknown" if row.seen else "never sent"
        return transition(State.CANCELED, Cause.CANCELED, f"canceled; {doubt}")
    if row.superseded_by is not None:
        why = f"{why}; superseded by {row.superseded_by}"
        return transition(unsent(State.SUPERSEDED, row.seen), Cause.SUPERSEDED, why)
    if row.offline == Offline.QUEUE and failure in UNSEEN:
        return _postpone(failed, now)
    if not _repeatable(row, failure):
        count = f" (attempt {row.attempt} of {row.max_attempts})"
        return transition(unsent(State.NOT_CONNECTED, row.seen), cause, why + count)
    again = retry_at(row, now)
    if row.expires_at is not None and again >= row.expires_at:
        why = f"{why}; expires before the next attempt"
        return transition(unsent(State.EXPIRED, row.seen), Cause.EXPIRED, why)
    return transition(State.QUEUED, Cause.RETRY, f"{why}; {Cause.RETRY.label}", due_at=again, retry_at=again)


def _postpone(failed: _Failed, now: datetime) -> _Transition:
    """For rows that wait for their client (offline=queue): an attempt that the client has not seen does not count."""
    row, failure, _, why = failed
    attempt = max(row.attempt - 1, 0)
    again = None if failure is Failure.NO_ROUTE else retry_later(row, now)
    if again is None:
        return _Transition(
            State.QUEUED, Cause.OFFLINE, Cause.OFFLINE.label, row.seen, attempt, due_at=now + PARK
        )
    why = f"{why}; {Cause.RETRY.label}"
    return _Transition(State.QUEUED, Cause.RETRY, why, row.seen, attempt, due_at=again, retry_at=again)


def _repeatable(row: Row, failure: Failure) -> bool:
    """Whether to try again: the retry policy allows it, and a repeat cannot take effect twice."""
    cls = row.cls
    if cls is None or not cls.retry.retries(failure, row.attempt, row.max_attempts):
        return False
    if failure is Failure.NO_ROUTE and row.offline == Offline.SKIP:
        return False
    return not row.seen or cls.idempotent or "journal" in row.client__capabilities
