"""Runs of schedules: each occurrence exactly once, with any number of schedulers."""

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
"""An occurrence so late still counts as in time: a restarted scheduler misses nothing."""
LOOKING_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=60), timedelta(days=36_500))
KEPT = 200
"""Runs of each schedule that are remembered."""


def run_now(schedule: Schedule, *, source: Source, principal: str) -> Operation:
    """Start it at once, beside its occurrences and whatever is still running of them.

    Raises InvalidParameters where the schedule is broken.
    """
    if wrong := problem(schedule):
        raise InvalidParameters({"schedule": [f"Is broken: {wrong}"]})
    with transaction.atomic():
        now = clock.now()
        operation = start(_wanted(schedule, source, principal))
        _note(schedule, None, now, RunOutcome.STARTED, operation=operation, principal=principal)
    return operation


def tick(now: datetime | None = None) -> int:
    """Deal with every occurrence that is due; returns with how many. Any number of schedulers may call it."""
    now = now or clock.now()
    dealt = 0
    for pk in list(Schedule.objects.filter(enabled=True, due_at__lte=now).values_list("pk", flat=True)):
        try:
            while _deal_with_next(pk, now):
                dealt += 1
        except DatabaseError as error:
            # The other schedules are not to wait for this one.
            logger.warning("schedule %s is put off: %s", pk, error)
    return dealt


def _deal_with_next(pk: int, now: datetime) -> bool:
    """One transaction: the compare-and-swap on `next_run`, and what the occurrence stands for."""
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
            _fire(schedule, occurrence, now, was_missed=missed is not None)
    return bool(swapped)


def _latest_missed(schedule: Schedule, now: datetime) -> datetime | None:
    """The last of the occurrences that nobody was there for; None if the next one is in time."""
    assert schedule.next_run is not None, "asked only of what is due"
    if schedule.due_at is None or schedule.due_at > now - GRACE:
        return None
    end = now - GRACE
    # There may have been very many: the last one is looked for from close before the end of the missed time.
    for span in LOOKING_BACK:
        begin = max(schedule.next_run, end - span)
        found = [begin] if begin == schedule.next_run else []
        found += takewhile(lambda o: due(schedule, o) <= end, upcoming(schedule, begin))
        if found:
            return found[-1]
    return schedule.next_run


def _fire(schedule: Schedule, occurrence: datetime, now: datetime, *, was_missed: bool) -> None:
    if wrong := problem(schedule):
        logger.error("schedule %s is broken and was passed over: %s", schedule.name, wrong)
        _note(schedule, occurrence, now, RunOutcome.BROKEN, note=wrong)
    elif was_missed and schedule.missed == Missed.SKIP:
        _note(schedule, occurrence, now, RunOutcome.MISSED)
    elif schedule.overlap == Overlap.SKIP and _running(schedule):
        _note(schedule, occurrence, now, RunOutcome.OVERLAP)
    else:
        try:
            with transaction.atomic():
                operation = start(_wanted(schedule, Source.SCHEDULE, schedule.name))
        except OrchestratorError as error:
            _note(schedule, occurrence, now, RunOutcome.BROKEN, note=str(error))
        else:
            _note(schedule, occurrence, now, RunOutcome.STARTED, operation=operation)


def _wanted(schedule: Schedule, source: Source, principal: str) -> OperationRequest:
    return OperationRequest(
        command=command(schedule.command, schedule.params),
        selector=schedule.selector,
        source=source,
        principal=principal,
        reason=f"schedule {schedule.name}",
    )


def _running(schedule: Schedule) -> bool:
    return schedule.runs.filter(operation__state__in=UNDER_WAY).exists()


def _note(
    schedule: Schedule, occurrence: datetime | None, at: datetime, outcome: RunOutcome, **more: Any
) -> None:
    ScheduleRun.objects.create(schedule=schedule, occurrence=occurrence, at=at, outcome=outcome, **more)
    old = schedule.runs.order_by("-id").values_list("pk", flat=True)[KEPT : KEPT + 1].first()
    if old is not None:
        schedule.runs.filter(pk__lte=old).delete()
