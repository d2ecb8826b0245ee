"""Inserting rows of inline commands: each is claimed from the start, or has ended if it may not be sent."""

import logging
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction

from crypto.exceptions import DedupeConflict, UnknownClient
from crypto.ids import new_id
from crypto.models import Cause, Client, CommandLog, State, clock
from crypto.models.command_log import step_line
from crypto.services.ledger.admission import Refuse, Target, Terms, decide
from crypto.services.ledger.attempt import Attempt, Result, lease, stored
from crypto.services.ledger.issue import CommandRequest, same_request
from crypto.services.ledger.override import Named, override, still_paused_by
from crypto.services.ledger.settle import notify_finished
from crypto.services.ledger.sql import statements
from crypto.services.ledger.sql.statements import SelectById
from crypto.services.ledger.supersede import Newer, supersede
from crypto.services.process import process_name

logger = logging.getLogger(__name__)

RACES = 8
"""Tries of a batch, one of whose keys or ids another transaction is inserting at the same time."""

Inserted = Attempt | Result | UnknownClient | DedupeConflict


class _Client(NamedTuple):
    id: UUID
    identity_epoch: str
    capabilities: list[str]
    paused_by_id: int | None
    resume_owed: bool
    status: str
    expected_status: str
    node__address: str | None
    node__lease_until: datetime | None


_clients = SelectById(
    lambda ids: Client.objects.filter(pk__among=ids).order_by().values_list(*_Client._fields), _Client
)


def insert(requests: list[CommandRequest]) -> list[Inserted]:
    """Insert one row for each request, all in one transaction. Safe to repeat.

    Returns one item for each request, in order; errors are returned, not raised.
    """
    for _ in range(RACES):
        try:
            with transaction.atomic():
                return _insert(requests, clock.now(), _used(requests))
        except IntegrityError as error:
            # Another transaction has just used one of the keys or ids: the next try finds its row.
            logger.info("inserting %d commands again: %s", len(requests), error)
    with transaction.atomic():
        return _insert(requests, clock.now(), _used(requests))


def _insert(
    requests: list[CommandRequest], now: datetime, used: dict[str | UUID, CommandLog]
) -> list[Inserted]:
    clients = {client.id: client for client in _clients({request.client_id for request in requests})}
    inserted: list[Inserted] = []
    rows: list[CommandLog] = []
    for request in requests:
        client = clients.get(request.client_id)
        if client is None:
            inserted.append(UnknownClient(f"there is no client {request.client_id}"))
            continue
        row, outcome = _initial(request, client, now)
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
        client = clients[attempt.client_id]
        override(attempt.command, [Named(client.id, client.paused_by_id, client.resume_owed)])
    notify_finished([row.id for row in rows if row.state != State.SENT])
    return inserted


def _initial(request: CommandRequest, client: _Client, now: datetime) -> tuple[CommandLog, Attempt | Result]:
    """The row to insert: SENT, or ended if it may not be sent."""
    row = request.row(now, client.identity_epoch, max_attempts=1)
    lease_until = client.node__lease_until
    address = client.node__address if lease_until is not None and lease_until > now else None
    decision = decide(request.command, _target(request, client, address), Terms(), now)
    if isinstance(decision, Refuse):
        return row, _ended(row, decision, now)
    if address is None:
        raise AssertionError("an inline command never waits: without a node it is refused")
    claim = new_id()
    _step(row, State.SENT, Cause.CLAIMED, now)
    row.attempt, row.claim, row.sent_at, row.due_at = 1, claim, now, now + lease(row.timeout)
    timeout = row.timeout if request.wait else 0.0
    statuses = client.status, client.expected_status
    attempt = Attempt(row.id, row.client_id, request.command, claim, address, timeout, *statuses)
    attempt.wire_id = request.wire_id
    return row, attempt


def _target(request: CommandRequest, client: _Client, address: str | None) -> Target:
    capability = request.command.capability()
    return Target(
        connected=address is not None,
        supported=not capability or capability in client.capabilities,
        paused_by=still_paused_by(request.command, client.paused_by_id),
        identity_epoch=client.identity_epoch,
    )


def _ended(row: CommandLog, refusal: Refuse, now: datetime) -> Result:
    _step(row, refusal.state, refusal.cause, now)
    row.reason, row.due_at, row.finished_at = refusal.cause.label, None, now
    return Result(row.id, refusal.state, refusal.cause.label)


def _step(row: CommandLog, state: State, cause: Cause, now: datetime) -> None:
    row.state, row.cause = state, cause
    row.history += step_line(state, why=cause.label, process=process_name(), now=now)


def _used(requests: list[CommandRequest]) -> dict[str | UUID, CommandLog]:
    """Rows that were issued under these requests' dedupe keys or ids before."""
    keys = [request.dedupe_key for request in requests if request.dedupe_key is not None]
    ids = [request.id for request in requests if request.id is not None]
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
