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
from crypto.models import Offline, State, clock
from crypto.services.ledger.sql.rows import Row, by_id, lock
from crypto.services.process import process_name

from .events import ended_unsent, notify_finished
from .retry import retry_at, retry_later

PARK = timedelta(seconds=60)
"""A command that waits for its client is looked at again this often, should the ring on connect be lost."""
WAITS = "waits for the client to connect"
"""The reason of a row that does."""
UNSEEN = frozenset({Failure.NO_ROUTE, Failure.NOT_HANDED_OVER})
"""Failures before which the client has seen nothing."""


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that ended without an ack. `claim` names the attempt; if another holds the row, nothing happens."""

    command_id: UUID
    claim: UUID
    failure: Failure
    why: str


def record_failures(misses: list[FailedAttempt]) -> dict[UUID, State]:
    """Store what is known of attempts without an ack: another attempt, or an end. One transaction; safe to repeat.

    Returns the states of the rows that were changed.
    """
    if not misses:
        return {}
    now = clock.now()
    wanted = {(m.command_id, m.claim): m for m in misses}
    with transaction.atomic():
        rows = lock(by_id([m.command_id for m in misses], State.SENT))
        found = [
            (row, wanted[row.id, row.claim]) for row in rows if row.claim and (row.id, row.claim) in wanted
        ]
        return _store_misses([(row, m.failure, m.why) for row, m in found], now)


def overdue(rows: list[Row], now: datetime) -> None:
    """End attempts whose lease is over; the rows are locked and SENT."""
    _store_misses([(row, Failure.TIMEOUT, "no word from the worker that had it") for row in rows], now)


def no_route(rows: list[Row], now: datetime) -> None:
    """An attempt that found no way to the client; the rows are locked and QUEUED."""
    misses = [
        (row._replace(attempt=row.attempt + 1), Failure.NO_ROUTE, "the client is not connected")
        for row in rows
    ]
    _store_misses(misses, now, State.QUEUED)


class _Verdict(NamedTuple):
    """What becomes of a row whose attempt missed; equal ones are one UPDATE."""

    state: State
    why: str
    seen: bool
    """The client may have seen the command."""
    attempt: int
    due_at: datetime | None = None
    """None: the row ends."""
    retry_at: datetime | None = None


def _store_misses(
    misses: Iterable[tuple[Row, Failure, str]], now: datetime, before: State = State.SENT
) -> dict[UUID, State]:
    groups: dict[_Verdict, list[UUID]] = defaultdict(list)
    for row, failure, why in misses:
        groups[_verdict(row, failure, why, now)].append(row.id)
    for verdict, ids in groups.items():
        state, why, *_ = verdict
        changes = {**verdict._asdict(), "claim": None}
        del changes["state"], changes["why"]
        if verdict.due_at is None:
            changes["finished_at"] = now
            notify_finished(ids)
        by_id(ids, before).move(state, why=why, process=process_name(), now=now, **changes)
    return {id: verdict.state for verdict, ids in groups.items() for id in ids}


def _verdict(row: Row, failure: Failure, why: str, now: datetime) -> _Verdict:
    row = row._replace(seen=row.seen or failure is Failure.TIMEOUT)
    ending = partial(_Verdict, seen=row.seen, attempt=row.attempt)
    if row.cancel_requested_at is not None:
        doubt = "no ack came, outcome unknown" if row.seen else "never sent"
        return ending(State.CANCELED, f"canceled; {doubt}")
    if row.superseded_by is not None:
        return ending(ended_unsent(row, State.SUPERSEDED), f"{why}; superseded by {row.superseded_by}")
    if row.offline == Offline.QUEUE and failure in UNSEEN:
        return _put_off(row, failure, why, now)
    if not _repeatable(row, failure):
        count = f" (attempt {row.attempt} of {row.max_attempts})"
        return ending(ended_unsent(row, State.NOT_CONNECTED), why + count)
    again = retry_at(row, now)
    if row.expires_at is not None and again >= row.expires_at:
        return ending(ended_unsent(row, State.EXPIRED), f"{why}; expires before the next attempt")
    return ending(State.QUEUED, f"{why}; will be tried again", due_at=again, retry_at=again)


def _put_off(row: Row, failure: Failure, why: str, now: datetime) -> _Verdict:
    """What waits for its client until it expires does not use up attempts before the client may have seen it."""
    verdict = _Verdict(State.QUEUED, WAITS, row.seen, max(row.attempt - 1, 0), due_at=now + PARK)
    again = None if failure is Failure.NO_ROUTE else retry_later(row, now)
    if again is None:
        return verdict
    return verdict._replace(why=f"{why}; will be tried again", due_at=again, retry_at=again)


def _repeatable(row: Row, failure: Failure) -> bool:
    """Whether to try again: the policy allows it and a repeat cannot take effect twice."""
    cls = row.cls
    if cls is None or not cls.retry.retries(failure, row.attempt, row.max_attempts):
        return False
    if failure is Failure.NO_ROUTE and row.offline == Offline.SKIP:
        return False
    return not row.seen or cls.idempotent or "journal" in row.client__capabilities
