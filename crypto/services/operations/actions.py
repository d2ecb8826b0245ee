"""What users can do to an operation while it is under way and after it has ended."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from crypto.exceptions import InvalidParameters, OperationConflict
from crypto.models import Cause, Operation, OperationState, Source, State, clock
from crypto.services.ledger.issue import command
from crypto.services.operations import rollout
from crypto.services.operations.hold import unhold_sent
from crypto.services.operations.policy import Policy
from crypto.services.operations.start import OperationRequest, start

RETRIED = (State.FAILED, State.TIMED_OUT, State.NOT_CONNECTED, State.EXPIRED, State.CANCELED)
"""Rows that a retry repeats by default. REJECTED is left out: the client would refuse again."""
RETRYABLE = (*RETRIED, State.REJECTED, State.SUPERSEDED)

RUNNING, PAUSED, STOPPING = OperationState.RUNNING, OperationState.PAUSED, OperationState.STOPPING


def pause(pk: UUID, who: str = "") -> Operation:
    """Send nothing more until `resume`; rows that were sent go on. Raises OperationConflict."""
    return _change(
        pk, "pause", {RUNNING}, lambda operation, now: rollout.pause(operation, _by("paused", who))
    )


def resume(pk: UUID, who: str = "") -> Operation:
    """Go on, also if a gate has paused it. Raises OperationConflict."""
    return _change(
        pk, "resume", {PAUSED}, lambda operation, now: _continue(operation, None, _by("resumed", who))
    )


def step(pk: UUID, who: str = "") -> Operation:
    """Send the current wave, then pause again. Raises OperationConflict."""

    def go(operation: Operation, now: datetime) -> None:
        if operation.waves == 1:
            raise OperationConflict("an operation without waves cannot be stepped: resume it")
        _continue(operation, operation.wave, _by(f"stepped to wave {operation.wave}", who))

    return _change(pk, "step", {PAUSED}, go)


def cancel(pk: UUID, who: str = "") -> Operation:
    """End rows that were not sent, and wait for the acks of the others. Raises OperationConflict."""

    def end(operation: Operation, now: datetime) -> None:
        rollout.stop(operation, OperationState.CANCELED, Cause.CANCELED, _by("canceled", who), now)

    return _change(pk, "cancel", {RUNNING, PAUSED}, end)


def retry(
    pk: UUID,
    states: Sequence[str] = RETRIED,
    *,
    source: Source = Source.CODE,
    principal: str = "",
    reason: str = "",
    dedupe_key: str | None = None,
) -> Operation:
    """Start a new operation with the same command for the targets whose rows ended in `states`.

    Raises OperationConflict while the operation is under way, InvalidParameters, UnknownCommand.
    """
    if not states or (unknown := set(states) - set(RETRYABLE)):
        sentence = f"Must be of {', '.join(RETRYABLE)}."
        raise InvalidParameters(
            {"states": [sentence if not states else f"{min(unknown)[:40]!r}: {sentence}"]}
        )
    operation = Operation.objects.get(pk=pk)
    if operation.under_way:
        raise OperationConflict("the operation is still under way: its own retries come first")
    return start(
        OperationRequest(
            command=command(operation.command, operation.params),
            selector={
                "operation": {"id": str(pk), "states": sorted({str(State(state)) for state in states})}
            },
            policy=Policy.parse(operation.policy),
            source=source,
            principal=principal,
            reason=reason or operation.reason,
            dedupe_key=dedupe_key,
            parent=pk,
        )
    )


def _continue(operation: Operation, last_wave: int | None, note: str) -> None:
    operation.state, operation.note, operation.last_wave = RUNNING, note, last_wave
    operation.allowance, operation.allowance_at = 0.0, clock.now()
    operation.save(update_fields=["state", "note", "last_wave", "allowance", "allowance_at"])
    unhold_sent(operation.pk)
    transaction.on_commit(lambda: rollout.advance(operation.pk), robust=True)


def _change(
    pk: UUID, verb: str, states: set[OperationState], change: Callable[[Operation, datetime], None]
) -> Operation:
    """Raises Operation.DoesNotExist."""
    with transaction.atomic():
        operation = Operation.objects.select_for_update().get(pk=pk)
        if operation.state not in states:
            state = OperationState(operation.state).label
            raise OperationConflict(f"an operation that is {state} cannot {verb}")
        change(operation, clock.now())
    return Operation.objects.get(pk=pk)


def _by(deed: str, who: str) -> str:
    return f"{deed} by {who}" if who else deed
