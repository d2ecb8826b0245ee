"""Operations: one command to many clients, its rows inserted with it in one transaction."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction

from crypto.commands import Command
from crypto.exceptions import DedupeConflict, InvalidParameters
from crypto.ids import new_id
from crypto.models import ClientStatus, CommandLog, Offline, Operation, Source, State, clock
from crypto.models.command_log import step_line
from crypto.services.desired.standing_orders import STAYS, create, holds_back, override, revoke
from crypto.services.ledger.queue import REQUEUE_AFTER, enqueue
from crypto.services.ledger.settle import PARK, WAITS, notify_finished
from crypto.services.ledger.sql.bulk_insert import TargetRow, bulk_insert
from crypto.services.ledger.supersede import Newer, supersede
from crypto.services.operations.policy import DEFAULT, Policy
from crypto.services.operations.rollout import HELD, advance
from crypto.services.operations.selectors import EVERYBODY
from crypto.services.operations.targets import Target, check_snapshot, find, snapshot
from crypto.services.process import process_name

MAX_REASON = 1_000
BATCH = 20_000
"""Clients that one statement names at most."""
OFFLINE = "skipped: the client is not connected"
UNSUPPORTED = "skipped: the client did not declare this command"
STANDING = f"skipped: {STAYS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRequest:
    """What somebody asks for. Raises InvalidParameters where a text is too long."""

    command: Command
    selector: Any = field(default_factory=lambda: EVERYBODY)
    policy: Policy = DEFAULT
    source: Source = Source.CODE
    principal: str = ""
    reason: str = ""
    dedupe_key: str | None = None
    expected_snapshot: str | None = None
    """The snapshot of a preview; if the targets are others by now, nothing is issued."""
    parent: UUID | None = None

    def __post_init__(self) -> None:
        if len(self.reason) > MAX_REASON or "\x00" in self.reason:
            raise InvalidParameters({"reason": [f"Must be a text of at most {MAX_REASON} characters."]})
        if self.dedupe_key is not None and not 0 < len(self.dedupe_key) <= 200:
            raise InvalidParameters({"dedupe_key": ["Must have between 1 and 200 characters."]})


class Birth(NamedTuple):
    """How a row begins; rows that begin alike are one INSERT."""

    state: State
    why: str
    held: bool = False


def start(wanted: OperationRequest) -> Operation:
    """Insert the operation with a row for each target, in the caller's transaction; workers are rung for on commit.

    With a dedupe key that was used before, the operation of then is returned. Raises InvalidParameters (selector),
    SnapshotChanged, DedupeConflict.
    """
    try:
        with transaction.atomic():
            return _used(wanted) or _start(wanted, clock.now())
    except IntegrityError:
        # Somebody else has just used the key.
        before = _used(wanted)
        if before is None:
            raise
        return before


def _used(wanted: OperationRequest) -> Operation | None:
    if wanted.dedupe_key is None:
        return None
    before = Operation.objects.filter(dedupe_key=wanted.dedupe_key).first()
    same = (wanted.command.name, wanted.command.params, wanted.selector, wanted.policy.as_json)
    if before and (before.command, before.params, before.selector, before.policy) != same:
        raise DedupeConflict(f"the key was used for another operation, {before}")
    return before


def _start(wanted: OperationRequest, now: datetime) -> Operation:
    targets = find(type(wanted.command), wanted.selector, now)
    if wanted.expected_snapshot is not None:
        check_snapshot(wanted.expected_snapshot, targets)
    groups: dict[Birth, list[Target]] = defaultdict(list)
    for target in targets:
        groups[_birth(target, wanted.policy, wanted.command)].append(target)
    going = [target for birth, group in groups.items() if birth.state is State.QUEUED for target in group]
    waves = _waves(going, wanted.policy, len(targets))
    operation = _operation(wanted, [target.id for target in targets], max(waves.values(), default=1), now)
    enqueued: list[UUID] = []
    for birth, group in groups.items():
        leaves = [TargetRow(new_id(), t.id, t.identity_epoch, waves.get(t.id, 0)) for t in group]
        bulk_insert(_template(operation, wanted, birth, now), leaves)
        if birth.state is not State.QUEUED:
            notify_finished([leaf.id for leaf in leaves])
        elif birth == READY:
            enqueued = [leaf.id for leaf in leaves]
    for at in range(0, len(going), BATCH):
        supersede([Newer(target.id, wanted.command, operation.id) for target in going[at : at + BATCH]], now)
    _stand(wanted, going)
    lane = operation.lane
    transaction.on_commit(lambda: enqueue(zip(repeat(lane), enqueued, strict=False)))
    if wanted.policy.limited or not going:
        transaction.on_commit(partial(advance, operation.id), robust=True)
    return operation


def _stand(wanted: OperationRequest, going: list[Target]) -> None:
    """What is said to everybody stands, also for those who are away or join later; what is said to some is an exception
    from what stands."""
    command = wanted.command
    if wanted.selector != EVERYBODY:
        if concerned := [t.id for t in going if t.paused_by is not None or t.resume_owed]:
            override(command, concerned)
    elif command.leaves == ClientStatus.PAUSED:
        create(EVERYBODY, source=wanted.source, principal=wanted.principal, reason=wanted.reason)
    elif command.leaves == ClientStatus.ACTIVE:
        revoke(principal=wanted.principal)


READY = Birth(State.QUEUED, "")


def _birth(target: Target, policy: Policy, command: Command) -> Birth:
    if not target.connected and policy.offline == Offline.SKIP:
        return Birth(State.NOT_CONNECTED, OFFLINE)
    if target.connected and not target.supported:
        return Birth(State.REJECTED, UNSUPPORTED)
    if holds_back(command, target.paused_by) and policy.offline != Offline.QUEUE:
        return Birth(State.REJECTED, STANDING)
    if policy.limited:
        return Birth(State.QUEUED, HELD, held=True)
    if not target.connected and policy.offline == Offline.QUEUE:
        return Birth(State.QUEUED, WAITS)
    return READY


def _waves(going: list[Target], policy: Policy, targets: int) -> dict[UUID, int]:
    """Each target's wave, from 1. Drawn by lot, so that it is not always the same clients that go first."""
    ids = [target.id for target in going]
    if policy.waves:
        random.shuffle(ids)
    places = iter(ids)
    sizes = policy.sizes(len(ids))
    return {next(places): wave for wave, size in enumerate(sizes, 1) for _ in range(size)}


def _operation(wanted: OperationRequest, ids: list[UUID], waves: int, now: datetime) -> Operation:
    command = wanted.command
    return Operation.objects.create(
        command=command.name,
        params=command.params,
        selector=wanted.selector,
        snapshot=snapshot(ids),
        targets=len(ids),
        policy=wanted.policy.as_json,
        waves=waves,
        source=wanted.source,
        principal=wanted.principal[:200],
        reason=wanted.reason,
        parent_id=wanted.parent,
        lane=command.bulk_lane.value,
        dedupe_key=wanted.dedupe_key,
        allowance_at=now,
        created_at=now,
        started_at=now,
    )


def _template(operation: Operation, wanted: OperationRequest, birth: Birth, now: datetime) -> CommandLog:
    command, policy = wanted.command, wanted.policy
    expires_at = now + policy.expiry
    history = step_line(State.QUEUED, why="issued", process=process_name(), now=now)
    due_at: datetime | None = now + (PARK if birth.why == WAITS else REQUEUE_AFTER)
    if birth.held:
        due_at = expires_at
    if birth.state is not State.QUEUED:
        history += step_line(birth.state, why=birth.why, process=process_name(), now=now)
        due_at = None
    return CommandLog(
        command=command.name,
        params=command.params,
        state=birth.state,
        reason=birth.why,
        max_attempts=command.retry.attempts,
        timeout=policy.timeout or command.timeout,
        lane=operation.lane,
        offline=policy.offline,
        source=wanted.source,
        principal=operation.principal,
        operation_id=operation.id,
        held=birth.held,
        due_at=due_at,
        expires_at=expires_at,
        created_at=now,
        finished_at=None if birth.state is State.QUEUED else now,
        history=history,
    )
