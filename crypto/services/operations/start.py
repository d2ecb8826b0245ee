"""Starting an operation: it is inserted with a row for each of its targets, in one transaction."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import repeat
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from crypto.commands import Command
from crypto.exceptions import DedupeConflict, InvalidParameters
from crypto.ids import new_id
from crypto.models import Cause, CommandLog, Operation, Source, State, clock
from crypto.models.command_log import step_line
from crypto.services.ledger.admission import SEND, Decision, Park, Refuse, Terms, decide
from crypto.services.ledger.override import Named, override, still_paused_by
from crypto.services.ledger.queue import REQUEUE_AFTER, enqueue
from crypto.services.ledger.settle import PARK, notify_finished
from crypto.services.ledger.sql.bulk_insert import TargetRow, bulk_insert
from crypto.services.ledger.supersede import Newer, supersede
from crypto.services.operations.policy import DEFAULT, Policy, assign_waves
from crypto.services.operations.rollout import advance
from crypto.services.operations.selectors import EVERYBODY
from crypto.services.operations.targets import Candidate, check_snapshot, find, snapshot
from crypto.services.process import process_name

MAX_REASON = 1_000
BATCH = 20_000
"""Clients in one statement, at most."""
DUE: tuple[Decision, ...] = (SEND, Park(Cause.NOT_CONNECTED))
"""Rows with these decisions are enqueued at once: they can be sent, or use up an attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRequest:
    """A request for an operation. Raises InvalidParameters if a text is too long."""

    command: Command
    selector: Any = field(default_factory=lambda: EVERYBODY)
    policy: Policy = DEFAULT
    source: Source = Source.CODE
    principal: str = ""
    reason: str = ""
    dedupe_key: str | None = None
    expected_snapshot: str | None = None
    """The snapshot of a preview; if the targets have changed since, nothing is issued."""
    parent: UUID | None = None

    def __post_init__(self) -> None:
        if len(self.reason) > MAX_REASON or "\x00" in self.reason:
            raise InvalidParameters({"reason": [f"Must be a text of at most {MAX_REASON} characters."]})
        if self.dedupe_key is not None and not 0 < len(self.dedupe_key) <= 200:
            raise InvalidParameters({"dedupe_key": ["Must have between 1 and 200 characters."]})


def start(request: OperationRequest) -> Operation:
    """Insert the operation with a row for each target, in the caller's transaction; rows are enqueued on commit.

    Does not give or lift standing orders: `desired.standing_orders.start` does. If the dedupe key was used before, the
    earlier operation is returned. Raises InvalidParameters (selector), SnapshotChanged, DedupeConflict.
    """
    return once(request, lambda: insert(request))


def once(request: OperationRequest, make: Callable[[], Operation]) -> Operation:
    """Call `make` in a transaction, unless the request's dedupe key was used before: then return that operation."""
    try:
        with transaction.atomic():
            return _used(request) or make()
    except IntegrityError:
        # Another transaction has just used the key.
        before = _used(request)
        if before is None:
            raise
        return before


def _used(request: OperationRequest) -> Operation | None:
    if request.dedupe_key is None:
        return None
    before = Operation.objects.filter(dedupe_key=request.dedupe_key).first()
    same = (request.command.name, request.command.params, request.selector, request.policy.as_json)
    if before and (before.command, before.params, before.selector, before.policy) != same:
        raise DedupeConflict(f"the key was used for another operation, {before}")
    return before


def insert(request: OperationRequest) -> Operation:
    """`start` without checking the dedupe key, in the caller's transaction. Raises IntegrityError if it was used."""
    now = clock.now()
    candidates = find(type(request.command), request.selector, now)
    if request.expected_snapshot is not None:
        check_snapshot(request.expected_snapshot, candidates)
    groups: dict[Decision, list[Candidate]] = defaultdict(list)
    terms = _terms(request)
    for candidate in candidates:
        target = candidate.target(still_paused_by(request.command, candidate.paused_by))
        groups[decide(request.command, target, terms, now)].append(candidate)
    admitted = [
        each for decision, group in groups.items() if not isinstance(decision, Refuse) for each in group
    ]
    waves = assign_waves([each.id for each in admitted], request.policy)
    operation = _operation(request, [each.id for each in candidates], max(waves.values(), default=1), now)
    enqueued: list[UUID] = []
    for decision, group in groups.items():
        rows = [TargetRow(new_id(), each.id, each.identity_epoch, waves.get(each.id, 0)) for each in group]
        bulk_insert(_template(operation, request, decision, now), rows)
        if isinstance(decision, Refuse):
            notify_finished([row.id for row in rows])
        elif decision in DUE:
            enqueued += [row.id for row in rows]
    for at in range(0, len(admitted), BATCH):
        batch = admitted[at : at + BATCH]
        supersede([Newer(each.id, request.command, operation.id) for each in batch], now)
    override(request.command, (Named(each.id, each.paused_by, each.resume_owed) for each in admitted))
    lane = operation.lane
    transaction.on_commit(lambda: enqueue(zip(repeat(lane), enqueued, strict=False)))
    if request.policy.limited or not admitted:
        transaction.on_commit(partial(advance, operation.id), robust=True)
    return operation


def _terms(request: OperationRequest) -> Terms:
    policy = request.policy
    return Terms(offline=policy.offline, attempts_left=request.command.retry.attempts, held=policy.limited)


def _operation(request: OperationRequest, ids: list[UUID], waves: int, now: datetime) -> Operation:
    command = request.command
    return Operation.objects.create(
        command=command.name,
        params=command.params,
        selector=request.selector,
        snapshot=snapshot(ids),
        targets=len(ids),
        policy=request.policy.as_json,
        waves=waves,
        source=request.source,
        principal=request.principal[:200],
        reason=request.reason,
        parent_id=request.parent,
        lane=command.bulk_lane.value,
        dedupe_key=request.dedupe_key,
        allowance_at=now,
        created_at=now,
        started_at=now,
    )


def _template(
    operation: Operation, request: OperationRequest, decision: Decision, now: datetime
) -> CommandLog:
    """The columns that all rows with the same decision have in common."""
    command, policy = request.command, request.policy
    row = CommandLog(
        command=command.name,
        params=command.params,
        max_attempts=command.retry.attempts,
        timeout=policy.timeout or command.timeout,
        lane=operation.lane,
        offline=policy.offline,
        source=request.source,
        principal=operation.principal,
        operation_id=operation.id,
        held=decision == Park(Cause.OPERATION),
        due_at=now + REQUEUE_AFTER,
        expires_at=now + policy.expiry,
        created_at=now,
        history=step_line(State.QUEUED, why="issued", process=process_name(), now=now),
    )
    if isinstance(decision, Refuse):
        row.state, row.cause, row.reason = decision.state, decision.cause, f"skipped: {decision.cause.label}"
        row.due_at, row.finished_at = None, now
        row.history += step_line(decision.state, why=row.reason, process=process_name(), now=now)
    elif isinstance(decision, Park) and decision not in DUE:
        row.cause, row.reason = decision.cause, decision.cause.label
        row.due_at = row.expires_at if row.held else now + PARK
    return row
