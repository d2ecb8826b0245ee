"""Claiming queued rows for an attempt: one locking SELECT, one UPDATE for all of them."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, Q

from crypto.commands import Command
from crypto.models import Cause, CommandLog, Offline, State, clock
from crypto.models.command_log import CommandLogQuerySet
from crypto.services.ledger.admission import Park, Refuse, Target, Terms, decide
from crypto.services.ledger.attempt import Attempt, lease
from crypto.services.ledger.settle import PARK, no_route
from crypto.services.ledger.sql.rows import Row, by_id, lock
from crypto.services.ledger.void import Waiting, void
from crypto.services.process import process_name

MAX_OLDER = 1_000
"""Older rows of the same clients that are claimed together with the requested ones, at most."""


def claim(ids: list[UUID]) -> list[Attempt]:
    """Claim these rows; returns the attempts that may be sent now, in the order in which they were issued.

    Rows that are not QUEUED any more or wait for their retry are skipped; those that may not be sent are ended,
    delayed or parked. Older rows that waited for the same clients are claimed too, so that a client gets its commands
    in order, whichever message arrives first. Safe to repeat and to call concurrently.
    """
    now = clock.now()
    with transaction.atomic():
        rows = lock(_claimable(ids, now))
        older = _older(rows, now)
        if not older:
            return _take(rows, now)
    with transaction.atomic():  # again from the start: locks are taken in one order
        return _take(lock(_claimable([*ids, *older], now)), now)


def _claimable(ids: list[UUID], now: datetime) -> CommandLogQuerySet:
    return by_id(ids, State.QUEUED).filter(Q(retry_at=None) | Q(retry_at__lte=now), held=False)


def _older(rows: list[Row], now: datetime) -> set[UUID]:
    """Rows issued before these that wait for the same clients and were never tried."""
    clients: dict[UUID, datetime] = {}
    for row in rows:
        if row.offline == Offline.QUEUE and row.attempt == 0 and row.address(now) is not None:
            clients[row.client_id] = row.created_at
    if not clients:
        return set()
    waiting = CommandLog.objects.waiting(clients).filter(
        attempt=0, retry_at=None, created_at__lt=max(clients.values())
    )
    older = waiting.order_by("created_at", "id").values_list("pk", flat=True)[:MAX_OLDER]
    return set(older).difference(row.id for row in rows)


def _take(rows: list[Row], now: datetime) -> list[Attempt]:
    token = uuid4()
    refused: dict[Refuse, list[Waiting]] = defaultdict(list)
    parked: dict[Cause, list[UUID]] = defaultdict(list)
    unrouted, ready, attempts = [], [], []
    for row in rows:
        command, address = row.parsed(), row.address(now)
        decision = decide(command, _target(row, command, address), _terms(row), now)
        if isinstance(decision, Refuse):
            refused[decision].append(Waiting(row.id, row.seen))
        elif isinstance(decision, Park):
            if decision.cause is Cause.NOT_CONNECTED:
                unrouted.append(row)
            else:
                parked[decision.cause].append(row.id)
        elif command is not None and address is not None:
            ready.append(row)
            attempts.append(_attempt(row, command, token, address))
    for refusal, waiting in refused.items():
        void(waiting, refusal.state, cause=refusal.cause, now=now)
    for cause, ids in parked.items():
        by_id(ids, State.QUEUED).update(due_at=now + PARK, retry_at=None, cause=cause, reason=cause.label)
    no_route(unrouted, now)
    _send(ready, token, now)
    return attempts


def _target(row: Row, command: Command | None, address: str | None) -> Target:
    capability = command.capability() if command is not None else ""
    return Target(
        connected=address is not None,
        supported=not capability or capability in row.client__capabilities,
        paused_by=row.client__paused_by_id,
        identity_epoch=row.client__identity_epoch,
    )


def _terms(row: Row) -> Terms:
    return Terms(
        offline=row.offline,
        attempts_left=row.max_attempts - row.attempt,
        expires_at=row.expires_at,
        identity_epoch=row.identity_epoch,
        seen=row.seen,
    )


def _attempt(row: Row, command: Command, token: UUID, address: str) -> Attempt:
    statuses = row.client__status, row.client__expected_status
    return Attempt(row.id, row.client_id, command, token, address, row.timeout, *statuses)


def _send(rows: list[Row], token: UUID, now: datetime) -> None:
    timeouts: dict[float, list[UUID]] = defaultdict(list)
    for row in rows:
        timeouts[row.timeout].append(row.id)
    for timeout, ids in timeouts.items():
        by_id(ids, State.QUEUED).move(
            State.SENT,
            cause=Cause.CLAIMED,
            process=process_name(),
            now=now,
            attempt=F("attempt") + 1,
            claim=token,
            sent_at=now,
            due_at=now + lease(timeout),
            retry_at=None,
        )
