"""How attempts end: an ack lands, or an attempt misses. The only writers of outcomes."""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db import transaction
from django.utils import timezone

from crypto.commands import Failure
from crypto.models import Client, CommandLog, Offline, State
from crypto.models.command_log import LATE_LANDING, OPEN, step_line
from crypto.services.answer_columns import write
from crypto.services.process import process_name
from crypto.services.rows import Row, by_id, lock, lock_by_id, lock_clients
from crypto.signals import command_finished

REJECTIONS = frozenset({"Rejected", "Unsupported"})
"""`error` of an ack that says: understood, not done, and asking again will not help."""
UNKNOWN = "OutcomeUnknown"
"""`error` of an ack of a client that crashed while it ran the command: not even it knows the outcome."""
RETRY_GRID = 0.25
"""Seconds to which retry times are rounded, so that rows which retry at about the same time are one UPDATE."""
PARK = timedelta(seconds=60)
"""A command that waits for its client is looked at again this often, should the ring on connect be lost."""

UNSEEN = frozenset({Failure.NO_ROUTE, Failure.NOT_HANDED_OVER})
"""Failures before which the client has seen nothing."""

MOMENTS = frozenset({"status_at", "expected_at"})
WAITS = "waits for the client to connect"

_jitter = random.Random()


@dataclass(frozen=True, slots=True)
class Ack:
    """What a client said of one command."""

    command_id: UUID
    client_id: UUID
    success: bool
    message: str = ""
    error: str = ""
    status: str = ""
    data: str = ""
    at: datetime | None = None

    @property
    def state(self) -> State:
        if self.success:
            return State.SUCCEEDED
        if self.error == UNKNOWN:
            return State.TIMED_OUT
        return State.REJECTED if self.error in REJECTIONS else State.FAILED

    @property
    def why(self) -> str:
        return "acked" if self.success else ": ".join(filter(None, (self.error, self.message))) or "failed"


@dataclass(frozen=True, slots=True)
class Miss:
    """An attempt that ended without an ack. `claim` names the attempt; if another holds the row, nothing happens."""

    command_id: UUID
    claim: UUID
    failure: Failure
    why: str


def ledger_id(client_id: UUID, command_id: str) -> UUID:
    """The row's id for a `command_id` on the wire; foreign callers may choose ids that are not UUIDs."""
    try:
        return UUID(command_id)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"{client_id}/{command_id}")


def land(acks: list[Ack]) -> list[bool]:
    """Store acks, whenever and to whomever they come. One transaction; safe to repeat.

    Returns for each whether it ended (or, late, corrected) its row: False for an ack of an unknown command, of another
    client's command, of one never sent, and for a repeated ack.
    """
    if not acks:
        return []
    now = timezone.now()
    with transaction.atomic():
        rows = {row.id: row for row in lock_by_id(list({ack.command_id for ack in acks}))}
        good = _chosen(acks, rows)
        groups: dict[_Target, list[Ack]] = defaultdict(list)
        for id, ack in good.items():
            groups[_target(rows[id], ack, now)].append(ack)
        for target, landing in groups.items():
            _land_group(target, landing, now)
        _touch_clients([(rows[id], ack) for id, ack in good.items() if rows[id].state in OPEN], now)
        finished([id for id, ack in good.items() if not _again(rows[id], ack)])
    return [good.get(ack.command_id) is ack for ack in acks]


def confirmed(acks: list[tuple[UUID, str]]) -> list[bool]:
    """Which of these acks (client, command id on the wire) need not be presented again: they are in the ledger, or it
    has no use for them."""
    ids = [ledger_id(*ack) for ack in acks]
    waiting = by_id(ids, *OPEN | LATE_LANDING).filter(acked_at=None).values_list("pk", "client_id")
    open_ids = set(waiting)
    return [(id, client_id) not in open_ids for id, (client_id, _) in zip(ids, acks, strict=True)]


def miss(misses: list[Miss]) -> dict[UUID, State]:
    """Store what is known of attempts without an ack: another attempt, or an end. One transaction; safe to repeat.

    Returns the states of the rows that were changed.
    """
    if not misses:
        return {}
    now = timezone.now()
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


def finished(ids: list[UUID]) -> None:
    """Tell the world after commit that these rows have ended."""
    if ids:
        transaction.on_commit(lambda: command_finished.send_robust(sender=CommandLog, commands=ids))


def _chosen(acks: list[Ack], rows: dict[UUID, Row]) -> dict[UUID, Ack]:
    """The one ack of each row that counts: the first definite one, else the first."""
    good: dict[UUID, Ack] = {}
    for ack in acks:
        row, before = rows.get(ack.command_id), good.get(ack.command_id)
        if (
            row is not None
            and _acceptable(row, ack)
            and (before is None or before.error == UNKNOWN != ack.error)
        ):
            good[row.id] = ack
    return good


def _acceptable(row: Row, ack: Ack) -> bool:
    if row.client_id != ack.client_id or row.sent_at is None:
        return False
    if row.state == State.QUEUED and row.ack_at is not None and row.ack_at == ack.at:
        return False  # the failure for which it waits to be tried again, told twice
    return row.state in (OPEN if ack.state is State.TIMED_OUT else OPEN | LATE_LANDING)


def _again(row: Row, ack: Ack) -> bool:
    """Whether this ack does not end its row: the command may run again, and the policy says that it shall."""
    cls = row.cls
    if cls is None or row.cancel_requested_at is not None or row.superseded_by is not None:
        return False
    if ack.state is State.FAILED:
        return row.state == State.SENT and cls.retry.retries(Failure.FAILED, row.attempt, row.max_attempts)
    if ack.state is State.TIMED_OUT and cls.idempotent:
        # A row that waits already goes on waiting for its next attempt.
        waits = row.state == State.QUEUED and row.attempt < row.max_attempts
        return waits or cls.retry.retries(Failure.TIMEOUT, row.attempt, row.max_attempts)
    return False


class _Target(NamedTuple):
    """What an ack makes of its row; equal ones are one UPDATE."""

    state: State
    before: str
    why: str
    unknown: bool
    retry_at: datetime | None


def _target(row: Row, ack: Ack, now: datetime) -> _Target:
    unknown = ack.state is State.TIMED_OUT
    if _again(row, ack):
        return _Target(State.QUEUED, row.state, ack.why, unknown, _retry_at(row, now))
    return _Target(ack.state, row.state, ack.why, unknown, None)


def _land_group(target: _Target, acks: list[Ack], now: datetime) -> None:
    state, before, why, unknown, retry_at = target
    changes: dict[str, Any] = {"due_at": None, "retry_at": None, "claim": None}
    if unknown:
        changes["seen"] = True
    if state is State.QUEUED:
        changes |= {"due_at": retry_at, "retry_at": retry_at}
    elif before in LATE_LANDING:
        changes |= {"late": True, "acked_at": now}
        why = f"{why} (late)"
    else:
        changes |= {"acked_at": now, "finished_at": now}
    step = step_line(state, why=why, process=process_name(), now=now)
    write(acks, before, step, {"state": state, "reason": why, **changes})


def _touch_clients(landed: list[tuple[Row, Ack]], now: datetime) -> None:
    """Carry what timely acks say of their clients over to the clients' records."""
    changes: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for row, ack in landed:
        if ack.status and (ack.status != row.client__status or _contradicts(row, ack)):
            changes[row.client_id] |= {"status": ack.status, "status_at": now}
        if row.cls is not None and row.cls.changes_clients() and (command := row.parsed()) is not None:
            changes[row.client_id] |= command.changes(ack.success)
            if command.leaves and ack.success:
                changes[row.client_id]["expected_at"] = now
    fields = set().union(*changes.values())
    if not fields:
        return
    stored = lock_clients(list(changes)).in_bulk()
    groups: dict[tuple[Any, ...], list[UUID]] = defaultdict(list)
    for id, values in changes.items():
        if id in stored and _news(stored[id], values):
            groups[tuple(values.items())].append(id)
    for values_, ids in groups.items():
        Client.objects.filter(pk__in=ids).update(**dict(values_))


def _contradicts(row: Row, ack: Ack) -> bool:
    return bool(row.client__expected_status) and ack.status != row.client__expected_status


def _news(client: Client, values: dict[str, Any]) -> bool:
    """Whether there is something to write. A status that contradicts what the client acked is news each time."""
    expected = values.get("expected_status", client.expected_status)
    contradicts = bool(expected) and values.get("status", expected) != expected
    return contradicts or any(
        getattr(client, name) != value for name, value in values.items() if name not in MOMENTS
    )


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
            finished(ids)
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
    retry_at = _retry_at(row, now)
    if row.expires_at is not None and retry_at >= row.expires_at:
        return ending(ended_unsent(row, State.EXPIRED), f"{why}; expires before the next attempt")
    return ending(State.QUEUED, f"{why}; will be tried again", due_at=retry_at, retry_at=retry_at)


def _put_off(row: Row, failure: Failure, why: str, now: datetime) -> _Verdict:
    """What waits for its client until it expires does not use up attempts before the client may have seen it."""
    verdict = _Verdict(State.QUEUED, WAITS, row.seen, max(row.attempt - 1, 0), due_at=now + PARK)
    if failure is Failure.NO_ROUTE or row.cls is None:
        return verdict
    waited = (now - row.created_at).total_seconds()
    retry_at = now + _on_grid(row.cls.retry.pause(waited, _jitter))
    return verdict._replace(why=f"{why}; will be tried again", due_at=retry_at, retry_at=retry_at)


def ended_unsent(row: Row, state: State) -> State:
    """`state`, unless the client may have seen the command: then all that is known is that no ack came."""
    return State.TIMED_OUT if row.seen else state


def _repeatable(row: Row, failure: Failure) -> bool:
    """Whether to try again: the policy allows it and a repeat cannot take effect twice."""
    cls = row.cls
    if cls is None or not cls.retry.retries(failure, row.attempt, row.max_attempts):
        return False
    if failure is Failure.NO_ROUTE and row.offline == Offline.SKIP:
        return False
    return not row.seen or cls.idempotent or "journal" in row.client__capabilities


def _retry_at(row: Row, now: datetime) -> datetime:
    return now + _on_grid(row.cls.retry.delay(row.attempt, _jitter) if row.cls else 0.0)


def _on_grid(delay: float) -> timedelta:
    return timedelta(seconds=round(delay / RETRY_GRID) * RETRY_GRID)
