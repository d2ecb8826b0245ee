"""The progress of an operation, for people."""

import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import close_old_connections
from django.db.models import Count, Max

from crypto.models import CommandLog, Operation, State, clock
from crypto.models.command_log import OPEN
from crypto.services.operations.counts import OperationCounts, count_rows
from crypto.services.operations.rollout import finish

REASONS = 10
"""Reasons listed, at most."""
PAUSE = 0.2
"""Seconds between two queries while waiting for an operation."""


@dataclass(frozen=True, slots=True)
class Reason:
    """How many rows ended in this state for this reason."""

    state: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Progress:
    operation: Operation
    totals: OperationCounts
    rate: float
    """Rows that ended in a second, on average since the start."""
    eta: timedelta | None
    """Time left at this rate; None if it cannot be estimated."""
    reasons: list[Reason]
    """Why rows did not succeed, the most frequent first."""

    @property
    def counts(self) -> dict[str, int]:
        """By state, in the order of `State`; has every state, and adds up to the targets."""
        return {state.value: self.totals.by_state[state] for state in State}

    @property
    def part(self) -> float:
        """Share of the rows that have ended, 0 to 1."""
        return self.totals.ended / self.operation.targets if self.operation.targets else 1.0


def progress(pk: UUID) -> Progress:
    """Count the rows; end the operation if all of them have ended. Raises Operation.DoesNotExist."""
    totals = count_rows(pk)
    if totals.open == 0:
        finish(pk, totals)
    operation = Operation.objects.get(pk=pk)
    return Progress(operation, totals, *_speed(operation, totals), _reasons(pk))


def wait_for(pk: UUID, seconds: float) -> Progress:
    """Block until the operation has ended or the seconds are over, then return its `progress`."""
    deadline = time.monotonic() + seconds
    while True:
        found = progress(pk)
        left = deadline - time.monotonic()
        if not found.operation.under_way or left <= 0:
            return found
        close_old_connections()
        time.sleep(min(PAUSE, left))


def _speed(operation: Operation, totals: OperationCounts) -> tuple[float, timedelta | None]:
    went = CommandLog.objects.filter(operation=operation.pk, wave__gt=0)
    until = went.aggregate(last=Max("finished_at"))["last"] if totals.open == 0 else clock.now()
    ended = totals.ended - sum(totals.by_wave.get(0, {}).values())
    if until is None or ended == 0:
        return 0.0, timedelta(0) if totals.open == 0 else None
    rate = ended / max((until - (operation.started_at or operation.created_at)).total_seconds(), 0.001)
    return rate, timedelta(seconds=totals.open / rate)


def _reasons(pk: UUID) -> list[Reason]:
    bad = CommandLog.objects.filter(operation=pk).exclude(state__in=[*OPEN, State.SUCCEEDED]).order_by()
    groups = (
        bad.values_list("state", "reason").annotate(rows=Count("pk")).order_by("-rows", "state", "reason")
    )
    return [Reason(*group) for group in groups[:REASONS]]
