"""Inserting rows of commands that run inline: they are born claimed, or ended where they cannot go."""

import logging
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction

from crypto.exceptions import DedupeConflict, UnknownClient
from crypto.ids import new_id
from crypto.models import Client, CommandLog, State, clock
from crypto.models.command_log import step_line
from crypto.services.desired.standing_orders import STAYS, holds_back, override
from crypto.services.ledger.attempt import Attempt, Result, lease, stored
from crypto.services.ledger.issue import CommandRequest, same_request
from crypto.services.ledger.settle import notify_finished
from crypto.services.ledger.sql import statements
from crypto.services.ledger.sql.statements import SelectById
from crypto.services.ledger.supersede import Newer, supersede
from crypto.services.process import process_name

logger = logging.getLogger(__name__)

RACES = 8
"""How often a batch may lose the race for one of its keys before that counts as an error."""

Inserted = Attempt | Result | UnknownClient | DedupeConflict


class Inline(NamedTuple):
    request: CommandRequest
    wait: bool
    """Whether the caller wants the ack; else the hand-over is enough."""


class _Target(NamedTuple):
    id: UUID
    identity_epoch: str
    capabilities: list[str]
    paused_by_id: int | None
    resume_owed: bool
    status: str
    expected_status: str
    node__address: str | None
    node__lease_until: datetime | None


_targets = SelectById(
    lambda ids: Client.objects.filter(pk__among=ids).order_by().values_list(*_Target._fields), _Target
)


def insert(calls: list[Inline]) -> list[Inserted]:
    """One row a call, all in one transaction; safe to repeat. Errors are returned in their call's place."""
    for _ in range(RACES):
        try:
            with transaction.atomic():
                return _insert(calls, clock.now(), _used(calls))
        except IntegrityError as error:
            # Somebody else has just used one of the keys or ids: now it is there to be found.
            logger.info("inserting %d commands again: %s", len(calls), error)
    with transaction.atomic():
        return _insert(calls, clock.now(), _used(calls))


def _insert(calls: list[Inline], now: datetime, used: dict[str | UUID, CommandLog]) -> list[Inserted]:
    ids = {call.request.client_id for call in calls}
    targets = {target.id: target for target in _targets(ids)}
    inserted: list[Inserted] = []
    rows: list[CommandLog] = []
    for call in calls:
        request, target = call.request, targets.get(call.request.client_id)
        if target is None:
            inserted.append(UnknownClient(f"there is no client {request.client_id}"))
            continue
        row, outcome = _born(call, target, now)
        before = used.get(request.dedupe_key or row.id)
        if before is not None:
            inserted.append(_again(row, before))
            continue
        used[request.dedupe_key or row.id] = row
        rows.append(row)
        inserted.append(outcome)
    statements.insert(rows)
    attempts = [attempt for attempt in inserted if isinstance(attempt, Attempt)]
    supersede([Newer(attempt.client_id, attempt.command, attempt.id) for attempt in attempts], now)
    for attempt in attempts:
        target = targets[attempt.client_id]
        if target.paused_by_id is not None or target.resume_owed:
            override(attempt.command, [attempt.client_id])
    notify_finished([row.id for row in rows if row.state != State.SENT])
    return inserted


def _born(call: Inline, target: _Target, now: datetime) -> tuple[CommandLog, Attempt | Result]:
    request = call.request
    row = request.row(now, target.identity_epoch, max_attempts=1)
    lease_until, address = target.node__lease_until, target.node__address
    capability = request.command.capability()
    if address is None or lease_until is None or lease_until <= now:
        return row, _ended(row, State.NOT_CONNECTED, "the client is not connected", now)
    if capability and capability not in target.capabilities:
        return row, _ended(row, State.REJECTED, "the client did not declare this command", now)
    if holds_back(request.command, target.paused_by_id):
        return row, _ended(row, State.REJECTED, STAYS, now)
    claim = new_id()
    _step(row, State.SENT, "claimed", now)
    row.attempt, row.claim, row.sent_at, row.due_at = 1, claim, now, now + lease(row.timeout)
    timeout = row.timeout if call.wait else 0.0
    statuses = target.status, target.expected_status
    attempt = Attempt(row.id, row.client_id, request.command, claim, address, timeout, *statuses)
    attempt.wire_id = request.wire_id
    return row, attempt


def _ended(row: CommandLog, state: State, why: str, now: datetime) -> Result:
    _step(row, state, why, now)
    row.reason, row.due_at, row.finished_at = why, None, now
    return Result(row.id, state, why)


def _step(row: CommandLog, state: State, why: str, now: datetime) -> None:
    row.state = state
    row.history += step_line(state, why=why, process=process_name(), now=now)


def _used(calls: list[Inline]) -> dict[str | UUID, CommandLog]:
    """Rows that were issued under these calls' dedupe keys or ids before."""
    keys = [call.request.dedupe_key for call in calls if call.request.dedupe_key is not None]
    ids = [call.request.id for call in calls if call.request.id is not None]
    used: dict[str | UUID, CommandLog] = {}
    if ids:
        used.update(CommandLog.objects.in_bulk(ids))
    if keys:
        used.update(CommandLog.objects.in_bulk(keys, field_name="dedupe_key"))
    return used


def _again(row: CommandLog, before: CommandLog) -> Inserted:
    try:
        same_request(row, before)
    except DedupeConflict as conflict:
        return conflict
    return stored(before)
