"""Attempts that end without an ack: another attempt, or an end."""

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
"""A command that waits for its client is looked at again this often, should the message on connect be lost."""
UNSEEN = frozenset({Failure.NO_ROUTE, Failure.NOT_HANDED_OVER})
"""Failures before which the client has seen nothing."""
CAUSES = {
    Failure.NO_ROUTE: Cause.NOT_CONNECTED,
    Failure.NOT_HANDED_OVER: Cause.NOT_HANDED_OVER,
    Failure.TIMEOUT: Cause.NO_ACK,
}


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that ended without an ack. `claim` names the attempt; if another holds the row, nothing happens."""

    command_id: UUID
    claim: UUID
    failure: Failure
    why: str


class _Failed(NamedTuple):
    """A row whose attempt failed, with the attempt counted."""

    row: Row
    failure: Failure
    cause: Cause
    why: str


def record_failures(failed: list[FailedAttempt]) -> dict[UUID, State]:
    """Store what is known of attempts without an ack: another attempt, or an end. One transaction; safe to repeat.

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
    """End attempts whose lease is over; the rows are locked and SENT."""
    _store([_Failed(row, Failure.TIMEOUT, Cause.NO_WORD, Cause.NO_WORD.label) for row in rows], now)


def no_route(rows: list[Row], now: datetime) -> None:
    """An attempt that found no way to the client; the rows are locked and QUEUED."""
    cause = Cause.NOT_CONNECTED
    failed = [
        _Failed(row._replace(attempt=row.attempt + 1), Failure.NO_ROUTE, cause, cause.label) for row in rows
    ]
    _store(failed, now, State.QUEUED)


class _Verdict(NamedTuple):
    """What becomes of a row whose attempt failed; equal ones are one UPDATE."""

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
    groups: dict[_Verdict, list[UUID]] = defaultdict(list)
    for each in failed:
        groups[_verdict(each, now)].append(each.row.id)
    for verdict, ids in groups.items():
        changes = {**verdict._asdict(), "claim": None}
        del changes["state"]
        if verdict.due_at is None:
            changes["finished_at"] = now
            notify_finished(ids)
        by_id(ids, before).move(verdict.state, process=process_name(), now=now, **changes)
    return {id: verdict.state for verdict, ids in groups.items() for id in ids}


def _verdict(failed: _Failed, now: datetime) -> _Verdict:
    row, failure, cause, why = failed
    row = row._replace(seen=row.seen or failure is Failure.TIMEOUT)
    verdict = partial(_Verdict, seen=row.seen, attempt=row.attempt)
    if row.cancel_requested_at is not None:
        doubt = "no ack came, outcome unknown" if row.seen else "never sent"
        return verdict(State.CANCELED, Cause.CANCELED, f"canceled; {doubt}")
    if row.superseded_by is not None:
        why = f"{why}; superseded by {row.superseded_by}"
        return verdict(unsent(State.SUPERSEDED, row.seen), Cause.SUPERSEDED, why)
    if row.offline == Offline.QUEUE and failure in UNSEEN:
        return _put_off(failed, now)
    if not _repeatable(row, failure):
        count = f" (attempt {row.attempt} of {row.max_attempts})"
        return verdict(unsent(State.NOT_CONNECTED, row.seen), cause, why + count)
    again = retry_at(row, now)
    if row.expires_at is not None and again >= row.expires_at:
        why = f"{why}; expires before the next attempt"
        return verdict(unsent(State.EXPIRED, row.seen), Cause.EXPIRED, why)
    return verdict(State.QUEUED, Cause.RETRY, f"{why}; {Cause.RETRY.label}", due_at=again, retry_at=again)


def _put_off(failed: _Failed, now: datetime) -> _Verdict:
    """What waits for its client until it expires does not use up attempts before the client may have seen it."""
    row, failure, _, why = failed
    attempt = max(row.attempt - 1, 0)
    again = None if failure is Failure.NO_ROUTE else retry_later(row, now)
    if again is None:
        return _Verdict(
            State.QUEUED, Cause.OFFLINE, Cause.OFFLINE.label, row.seen, attempt, due_at=now + PARK
        )
    why = f"{why}; {Cause.RETRY.label}"
    return _Verdict(State.QUEUED, Cause.RETRY, why, row.seen, attempt, due_at=again, retry_at=again)


def _repeatable(row: Row, failure: Failure) -> bool:
    """Whether to try again: the policy allows it and a repeat cannot take effect twice."""
    cls = row.cls
    if cls is None or not cls.retry.retries(failure, row.attempt, row.max_attempts):
        return False
    if failure is Failure.NO_ROUTE and row.offline == Offline.SKIP:
        return False
    return not row.seen or cls.idempotent or "journal" in row.client__capabilities
