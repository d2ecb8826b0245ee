"""Claiming queued rows for an attempt: one locking SELECT, one UPDATE for all of them."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, Q

from crypto.commands import Command
from crypto.models import ClientStatus, CommandLog, Offline, State, clock
from crypto.models.command_log import CommandLogQuerySet
from crypto.services.desired.standing_orders import STAYS, holds_back
from crypto.services.ledger.attempt import Attempt, lease
from crypto.services.ledger.settle import PARK, WAITS, ended_unsent, no_route, notify_finished
from crypto.services.ledger.sql.rows import Row, by_id, lock
from crypto.services.process import process_name

EXPIRED = "expired before it could be delivered"
ANOTHER = "issued for the client as it was before it was provisioned anew"
PULL = 1_000
"""How much is claimed beyond what was asked for, at most."""


def claim(ids: list[UUID]) -> list[Attempt]:
    """The attempts that may now go on the wire, in the order in which they were issued.

    Rows that are not QUEUED any more or wait for their retry are passed over; those that cannot go are ended, put off
    or parked. With what has waited for its client goes whatever has waited longer, so that it leaves in order whoever
    was rung for which of them. Safe to repeat.
    """
    now = clock.now()
    with transaction.atomic():
        rows = lock(_claimable(ids, now))
        older = _left_behind(rows, now)
        if not older:
            return _take(rows, now)
    with transaction.atomic():  # anew, for locks are taken in order
        return _take(lock(_claimable([*ids, *older], now)), now)


def _claimable(ids: list[UUID], now: datetime) -> CommandLogQuerySet:
    return by_id(ids, State.QUEUED).filter(Q(retry_at=None) | Q(retry_at__lte=now), held=False)


def _left_behind(rows: list[Row], now: datetime) -> set[UUID]:
    """What was issued before these rows, has waited for the same clients and was never tried."""
    clients: dict[UUID, datetime] = {}
    for row in rows:
        if row.offline == Offline.QUEUE and row.attempt == 0 and row.address(now) is not None:
            clients[row.client_id] = row.created_at
    if not clients:
        return set()
    waiting = CommandLog.objects.waiting(clients).filter(
        attempt=0, retry_at=None, created_at__lt=max(clients.values())
    )
    older = waiting.order_by("created_at", "id").values_list("pk", flat=True)[:PULL]
    return set(older).difference(row.id for row in rows)


def _take(rows: list[Row], now: datetime) -> list[Attempt]:
    token = uuid4()
    refused: dict[tuple[State, str], list[UUID]] = defaultdict(list)
    unrouted, parked, staying, ready, attempts = [], [], [], [], []
    for row in rows:
        command, address = row.parsed(), row.address(now)
        refusal = _refusal(row, command, now)
        if refusal is not None:
            refused[refusal].append(row.id)
        elif command is not None and holds_back(command, row.client__paused_by_id):
            staying.append(row.id)
        elif command is not None and address is not None:
            ready.append(row)
            attempts.append(_attempt(row, command, token, address))
        elif row.offline == Offline.QUEUE:
            parked.append(row.id)
        else:
            unrouted.append(row)
    for (state, why), ids in refused.items():
        end(ids, state, why, now)
    by_id(parked, State.QUEUED).update(due_at=now + PARK, retry_at=None, reason=WAITS)
    by_id(staying, State.QUEUED).update(due_at=now + PARK, retry_at=None, reason=STAYS)
    no_route(unrouted, now)
    _send(ready, token, now)
    return attempts


def _attempt(row: Row, command: Command, token: UUID, address: str) -> Attempt:
    statuses = row.client__status, row.client__expected_status
    return Attempt(row.id, row.client_id, command, token, address, row.timeout, *statuses)


def expire(rows: list[Row], now: datetime) -> None:
    """End locked, queued rows whose time is over."""
    for state in {ended_unsent(row, State.EXPIRED) for row in rows}:
        end([row.id for row in rows if ended_unsent(row, State.EXPIRED) is state], state, EXPIRED, now)


def end(ids: list[UUID], state: State, why: str, now: datetime) -> None:
    """End queued rows that will not be tried (again)."""
    rows = by_id(ids, State.QUEUED)
    rows.move(state, why=why, process=process_name(), now=now, finished_at=now)
    notify_finished(ids)


def _refusal(row: Row, command: Command | None, now: datetime) -> tuple[State, str] | None:
    if row.expires_at is not None and row.expires_at <= now:
        return ended_unsent(row, State.EXPIRED), EXPIRED
    if row.identity_epoch and row.identity_epoch != row.client__identity_epoch:
        return ended_unsent(row, State.CANCELED), ANOTHER
    if command is not None and row.client__paused_by_id is not None:
        if (
            command.leaves == ClientStatus.ACTIVE
        ):  # had the order been there before, it would have been lifted
            return ended_unsent(row, State.REJECTED), "a standing order given since keeps the client paused"
        if holds_back(command, row.client__paused_by_id) and row.offline != Offline.QUEUE:
            return ended_unsent(row, State.REJECTED), STAYS
    if row.attempt >= row.max_attempts:
        return ended_unsent(row, State.NOT_CONNECTED), "attempts are spent"
    if command is None:
        return ended_unsent(row, State.REJECTED), f"this version takes no {row.command} with these parameters"
    capability = command.capability()
    if capability and row.address(now) and capability not in row.client__capabilities:
        return ended_unsent(row, State.REJECTED), "the client did not declare this command"
    return None


def _send(rows: list[Row], token: UUID, now: datetime) -> None:
    timeouts: dict[float, list[UUID]] = defaultdict(list)
    for row in rows:
        timeouts[row.timeout].append(row.id)
    for timeout, ids in timeouts.items():
        by_id(ids, State.QUEUED).move(
            State.SENT,
            why="claimed",
            process=process_name(),
            now=now,
            attempt=F("attempt") + 1,
            claim=token,
            sent_at=now,
            due_at=now + lease(timeout),
            retry_at=None,
        )
