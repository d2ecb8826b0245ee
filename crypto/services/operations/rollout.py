"""The conductor: releases the rows of operations within their limits and ends what is over.

Any number of replicas may conduct at the same time: whoever has the operation's row locked does, the others pass on.
Whether a row may go is written on the row itself (`held`), so that claiming asks no operation.
"""

from collections import Counter
from datetime import datetime
from uuid import UUID

from django.db import transaction

from crypto.models import Cause, CommandLog, Operation, OperationState, State, clock
from crypto.models.command_log import OPEN
from crypto.models.operation import UNDER_WAY
from crypto.services.ledger.queue import REQUEUE_AFTER, enqueue
from crypto.services.ledger.sql.rows import by_id
from crypto.services.operations.counts import OperationCounts, count_rows
from crypto.services.operations.hold import end_open_rows, hold
from crypto.services.operations.policy import Policy, count
from crypto.services.process import process_name
from crypto.signals import operation_finished

BATCH = 5_000
"""Ids that one statement names at most."""
BURST = 1.0
"""Seconds of its rate that an operation may release at once, having been behind."""


def advance_all() -> int:
    """One pass over all operations under way; returns how many there were."""
    operations = list(Operation.objects.filter(state__in=UNDER_WAY).values_list("pk", flat=True))
    for pk in operations:
        advance(pk)
    return len(operations)


def advance(pk: UUID) -> None:
    """Release what may go, pause or abort where the policy says so, and end the operation if it is over."""
    rows = CommandLog.objects.filter(operation=pk)
    if not rows.open().exists():
        finish(pk, count_rows(pk))
        return
    running = Operation.objects.filter(pk=pk, state=OperationState.RUNNING)
    held = rows.filter(state=State.QUEUED, held=True)
    if held.exists() or running.filter(policy__abort__isnull=False).exists():
        # A plain SELECT found something to look at; only now is it worth counting, and a lock.
        with transaction.atomic():
            operation = running.select_for_update(skip_locked=True).first()
            if operation is not None:
                _advance(operation, count_rows(pk), clock.now())


def finish(pk: UUID, totals: OperationCounts) -> bool:
    """End an operation without open rows. Whoever calls it when, it happens and is told once."""
    all_good = totals.by_state.keys() <= {State.SUCCEEDED}
    end = OperationState.COMPLETED if all_good else OperationState.COMPLETED_WITH_FAILURES
    with transaction.atomic():
        over = Operation.objects.filter(pk=pk, state__in=UNDER_WAY)
        verdict = over.values_list("verdict", flat=True).first()
        ended = bool(over.update(state=verdict or end, finished_at=clock.now()))
        if ended:
            transaction.on_commit(lambda: operation_finished.send_robust(sender=Operation, operation=pk))
    return ended


def stop(operation: Operation, verdict: OperationState, cause: Cause, why: str, now: datetime) -> None:
    """End what was not sent and await the acks of what was; the caller holds the operation's lock."""
    operation.state, operation.verdict, operation.note = OperationState.STOPPING, verdict, why
    operation.save(update_fields=["state", "verdict", "note"])
    end_open_rows(operation.pk, cause, why, now)
    transaction.on_commit(lambda: _finish_if_over(operation.pk))


def pause(operation: Operation, why: str) -> None:
    """From its commit on nothing of the operation is claimed; the caller holds the operation's lock."""
    operation.state, operation.note, operation.last_wave = OperationState.PAUSED, why, None
    operation.save(update_fields=["state", "note", "last_wave"])
    hold(operation.pk)


def _finish_if_over(pk: UUID) -> None:
    totals = count_rows(pk)
    if totals.open == 0:
        finish(pk, totals)


def _advance(operation: Operation, totals: OperationCounts, now: datetime) -> None:
    policy = Policy.parse(operation.policy)
    if reached := _threshold(operation, policy, totals):
        stop(operation, OperationState.ABORTED, Cause.ABORTED, f"{Cause.ABORTED.label}: {reached}", now)
        return
    if not totals.held:
        return
    while not _held(operation, totals):
        if not _next_wave(operation, policy, totals):
            return
    room = _room(operation, policy, totals, now)
    if room > 0:
        _release(operation, room, now)


def _threshold(operation: Operation, policy: Policy, totals: OperationCounts) -> str:
    """The sentence that says which threshold is reached; empty if none is."""
    for kind, share in policy.abort.items():
        failed = sum(counts[kind] for wave, counts in totals.by_wave.items() if wave)
        if failed >= count(share, operation.targets):
            return f"{failed} {State(kind).label}, the threshold is {share}"
    return ""


def _next_wave(operation: Operation, policy: Policy, totals: OperationCounts) -> bool:
    """Go on to the next wave if this one is over and good enough; pause if it is not."""
    wave = operation.wave
    if totals.in_flight_by_wave[wave]:
        return False
    counts = totals.by_wave.get(wave, Counter())
    ended = sum(number for state, number in counts.items() if state not in OPEN)
    good = counts[State.SUCCEEDED] / ended if ended else 1.0
    operation.wave += 1
    operation.save(update_fields=["wave"])
    if operation.last_wave is not None and wave >= operation.last_wave:
        pause(operation, f"wave {wave} of {operation.waves} is over")
    elif good < policy.gate:
        pause(operation, f"wave {wave}: {good:.0%} succeeded, the gate is {policy.gate:.0%}")
    return operation.state == OperationState.RUNNING


def _held(operation: Operation, totals: OperationCounts) -> int:
    """How many are held though their wave's turn has come. Those of earlier waves are there after a pause."""
    return sum(rows for wave, rows in totals.held.items() if wave <= operation.wave)


def _room(operation: Operation, policy: Policy, totals: OperationCounts, now: datetime) -> int:
    """How many rows may be released now."""
    room = _held(operation, totals)
    if policy.window is not None:
        room = min(room, policy.window - totals.in_flight)
    if policy.rate is not None:
        gained = policy.rate * (now - operation.allowance_at).total_seconds()
        allowance = min(operation.allowance + gained, max(1.0, policy.rate * BURST))
        room = max(0, min(room, int(allowance)))
        operation.allowance, operation.allowance_at = allowance - room, now
        operation.save(update_fields=["allowance", "allowance_at"])
    return room


def _release(operation: Operation, room: int, now: datetime) -> None:
    held = CommandLog.objects.filter(operation=operation.pk, state=State.QUEUED, held=True)
    ready = held.filter(wave__lte=operation.wave).order_by("created_at", "id")
    rows = list(ready.select_for_update().values_list("lane", "pk")[:room])
    for at in range(0, len(rows), BATCH):
        by_id([pk for _, pk in rows[at : at + BATCH]], State.QUEUED).move(
            State.QUEUED,
            cause=Cause.RELEASED,
            process=process_name(),
            now=now,
            held=False,
            due_at=now + REQUEUE_AFTER,
            retry_at=None,
        )
    transaction.on_commit(lambda: enqueue(rows))
