"""Running schedules: each occurrence is dealt with exactly once, by any number of schedulers."""

import logging
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.db import DatabaseError, transaction

from crypto.exceptions import InvalidParameters, OrchestratorError
from crypto.models import Missed, Operation, Overlap, RunOutcome, Schedule, ScheduleRun, Source, clock
from crypto.models.operation import UNDER_WAY
from crypto.services.desired.standing_orders import start
from crypto.services.ledger.issue import command
from crypto.services.operations.start import OperationRequest

from .planning import due, plan, upcoming
from .validation import problem

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)
"""An occurrence that is later than this is missed; a restart of the scheduler takes less."""
LOOKING_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=60), timedelta(days=36_500))
"""Spans that are searched for the last missed occurrence, one after the other."""
KEPT = 200
"""Runs that are kept of each schedule."""


def run_now(schedule: Schedule, *, source: Source, principal: str) -> Operation:
    """Start its operation now, independently of its occurrences and of operations that are still under way.

    Raises InvalidParameters if the schedule is broken.
    """
    if wrong := problem(schedule):
        raise InvalidParameters({"schedule": [f"Is broken: {wrong}"]})
    with transaction.atomic():
        now = clock.now()
        operation = start(_request(schedule, source, principal))
        _record(schedule, None, now, RunOutcome.STARTED, operation=operation, principal=principal)
    return operation


def tick(now: datetime | None = None) -> int:
    """A tick: deal with every occurrence that is due; returns how many. Safe to call concurrently."""
    now = now or clock.now()
    dealt = 0
    for pk in list(Schedule.objects.filter(enabled=True, due_at__lte=now).values_list("pk", flat=True)):
        try:
            while _deal_with_next(pk, now):
                dealt += 1
        except DatabaseError as error:
            # One schedule must not delay the others.
            logger.warning("schedule %s is delayed: %s", pk, error)
    return dealt


def _deal_with_next(pk: int, now: datetime) -> bool:
    """One transaction: a compare-and-swap on `next_run`, and whatever the occurrence starts."""
    schedule = Schedule.objects.filter(pk=pk, enabled=True, due_at__lte=now).first()
    if schedule is None or schedule.next_run is None:
        return False
    with transaction.atomic():
        seen, missed = schedule.next_run, _latest_missed(schedule, now)
        occurrence = missed or seen
        plan(schedule, occurrence)
        swapped = Schedule.objects.filter(pk=pk, next_run=seen, enabled=True).update(
            next_run=schedule.next_run, due_at=schedule.due_at, last_run=occurrence
        )
        if swapped:
            _run(schedule, occurrence, now, was_missed=missed is not None)
    return bool(swapped)


def _latest_missed(schedule: Schedule, now: datetime) -> datetime | None:
    """The last occurrence that no scheduler ran in time; None if the next one is in time."""
    assert schedule.next_run is not None, "asked only of what is due"
    if schedule.due_at is None or schedule.due_at > now - GRACE:
        return None
    end = now - GRACE
    # There may be very many missed occurrences, so the search begins shortly before the end.
    for span in LOOKING_BACK:
        begin = max(schedule.next_run, end - span)
        found = [begin] if begin == schedule.next_run else []
        found += takewhile(lambda o: due(schedule, o) <= end, upcoming(schedule, begin))
        if found:
            return found[-1]
    return schedule.next_run


def _run(schedule: Schedule, occurrence: datetime, now: datetime, *, was_missed: bool) -> None:
    if wrong := problem(schedule):
        logger.error("schedule %s is broken, its occurrence is skipped: %s", schedule.name, wrong)
        _record(schedule, occurrence, now, RunOutcome.BROKEN, note=wrong)
    elif was_missed and schedule.missed == Missed.SKIP:
        _record(schedule, occurrence, now, RunOutcome.MISSED)
    elif schedule.overlap == Overlap.SKIP and _running(schedule):
        _record(schedule, occurrence, now, RunOutcome.OVERLAP)
    else:
        try:
            with transaction.atomic():
                operation = start(_request(schedule, Source.SCHEDULE, schedule.name))
        except OrchestratorError as error:
            _record(schedule, occurrence, now, RunOutcome.BROKEN, note=str(error))
        else:
            _record(schedule, occurrence, now, RunOutcome.STARTED, operation=operation)


def _request(schedule: Schedule, source: Source, principal: str) -> OperationRequest:
    return OperationRequest(
        command=command(schedule.command, schedule.params),
        selector=schedule.selector,
        source=source,
        principal=principal,
        reason=f"schedule {schedule.name}",
    )


def _running(schedule: Schedule) -> bool:
    return schedule.runs.filter(operation__state__in=UNDER_WAY).exists()


def _record(
    schedule: Schedule, occurrence: datetime | None, at: datetime, outcome: RunOutcome, **more: Any
) -> None:
    ScheduleRun.objects.create(schedule=schedule, occurrence=occurrence, at=at, outcome=outcome, **more)
    old = schedule.runs.order_by("-id").values_list("pk", flat=True)[KEPT : KEPT + 1].first()
    if old is not None:
        schedule.runs.filter(pk__lte=old).delete()
