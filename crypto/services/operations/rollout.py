"""The rollout: releases the rows of operations within their limits, and ends operations whose rows have all ended.

Any number of processes may run it at the same time: it locks the operation's row and skips operations that are locked.
Whether a row is released stands on the row itself (`held`), so a claim need not read the operation.
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
"""Ids in one statement, at most."""
BURST = 1.0
"""Seconds: an operation that has fallen behind its rate releases as much as its rate allows in this time, at once."""


def advance_all() -> int:
    """One pass over all operations under way; returns how many there were."""
    operations = list(Operation.objects.filter(state__in=UNDER_WAY).values_list("pk", flat=True))
    for pk in operations:
        advance(pk)
    return len(operations)


def advance(pk: UUID) -> None:
    """Release rows within the limits; pause, abort or end the operation where it is time. Safe to call concurrently."""
    rows = CommandLog.objects.filter(operation=pk)
    if not rows.open().exists():
        finish(pk, count_rows(pk))
        return
    running = Operation.objects.filter(pk=pk, state=OperationState.RUNNING)
    held = rows.filter(state=State.QUEUED, held=True)
    if held.exists() or running.filter(policy__abort__isnull=False).exists():
        # Counting and locking cost more than the SELECTs above, which most calls end with.
        with transaction.atomic():
            operation = running.select_for_update(skip_locked=True).first()
            if operation is not None:
                _advance(operation, count_rows(pk), clock.now())


def finish(pk: UUID, totals: OperationCounts) -> bool:
    """End an operation that has no open rows; returns whether this call did.

    Safe to repeat and to call concurrently: the operation ends once, and `operation_finished` is sent once.
    """
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
    """End queued rows and wait for the acks of sent ones. The caller has locked the operation."""
    operation.state, operation.verdict, operation.note = OperationState.STOPPING, verdict, why
    operation.save(update_fields=["state", "verdict", "note"])
    end_open_rows(operation.pk, cause, why, now)
    transaction.on_commit(lambda: _finish_if_over(operation.pk))


def pause(operation: Operation, why: str) -> None:
    """After the commit no row of the operation is claimed. The caller has locked the operation."""
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
    while not _releasable(operation, totals):
        if not _next_wave(operation, policy, totals):
            return
    room = _room(operation, policy, totals, now)
    if room > 0:
        _release(operation, room, now)


def _threshold(operation: Operation, policy: Policy, totals: OperationCounts) -> str:
    """A text that names the threshold which is reached; empty if none is."""
    for kind, share in policy.abort.items():
        failed = sum(counts[kind] for wave, counts in totals.by_wave.items() if wave)
        if failed >= count(share, operation.targets):
            return f"{failed} {State(kind).label}, the threshold is {share}"
    return ""


def _next_wave(operation: Operation, policy: Policy, totals: OperationCounts) -> bool:
    """Begin the next wave if this one is over; pause if fewer succeeded than the gate demands. True if it began."""
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


def _releasable(operation: Operation, totals: OperationCounts) -> int:
    """Held rows of the current wave, and of earlier waves, which a pause can leave behind."""
    return sum(rows for wave, rows in totals.held.items() if wave <= operation.wave)


def _room(operation: Operation, policy: Policy, totals: OperationCounts, now: datetime) -> int:
    """How many rows may be released now. Takes them from the rate's allowance."""
    room = _releasable(operation, totals)
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
