"""Schedules: what starts operations by the clock, each occurrence exactly once with any number of schedulers."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.utils import timezone

from crypto.exceptions import InvalidParameters, OrchestratorError, UnknownCommand
from crypto.models import Missed, Operation, Overlap, RunOutcome, Schedule, ScheduleRun, Source
from crypto.models.operation import UNDER_WAY
from crypto.services import occurrences
from crypto.services.issue import command
from crypto.services.operations import Start, start
from crypto.services.selectors import compile_selector

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)
"""An occurrence so late still counts as in time: a restarted scheduler misses nothing."""
LOOKING_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=60), timedelta(days=36_500))
KEPT = 200
"""Runs of each schedule that are remembered."""
TIMING = (
    "cron", "interval", "time_zone", "jitter", "enabled", "start", "end", "window_start", "window_end"
)  # fmt: skip
Check = Callable[[Schedule], object]
"""Raises InvalidParameters."""


def check(schedule: Schedule, now: datetime | None = None) -> None:
    """Raises InvalidParameters, which names every field at fault. Nothing is saved that does not pass.

    A schedule that nothing is done to but to disable it passes in any case: it may be broken.
    """
    if (
        not schedule.enabled
        and schedule.pk
        and _same(schedule, Schedule.objects.filter(pk=schedule.pk).first())
    ):
        return
    errors: dict[str, list[str]] = {}
    try:
        schedule.full_clean(validate_constraints=False)
    except ValidationError as invalid:
        errors |= invalid.message_dict
    moment = now or timezone.now()
    for fields, one in (
        (("command", "params"), _check_command),
        (("selector",), _check_selector),
        (TIMING, lambda s: occurrences.check(s, moment)),
    ):
        if errors.keys().isdisjoint(fields):
            errors |= _errors(one, schedule)
    if errors:
        raise InvalidParameters(errors)


def problem(schedule: Schedule) -> str:
    """Why it cannot run, in one sentence; empty if it can. What was good when it was saved may be broken later."""
    checks: tuple[Check, ...] = (_check_command, _check_selector, occurrences.rhythm)
    errors = {field: sentences for one in checks for field, sentences in _errors(one, schedule).items()}
    return " ".join(f"{field}: {' '.join(sentences)}" for field, sentences in errors.items())


def prepare(schedule: Schedule, now: datetime | None = None) -> None:
    """Check a schedule that is about to be saved and say when it runs next. Raises InvalidParameters.

    To be called in the transaction that saves it. What was dealt with is not dealt with again, whatever is changed.
    """
    now = now or timezone.now()
    check(schedule, now)
    before = Schedule.objects.select_for_update().filter(pk=schedule.pk).first() if schedule.pk else None
    if before is not None:
        schedule.last_run = before.last_run
        if all(getattr(before, name) == getattr(schedule, name) for name in TIMING):
            schedule.next_run, schedule.due_at = before.next_run, before.due_at
            return
    _plan(schedule, max(now, schedule.last_run or now))


def next_runs(schedule: Schedule, count: int = 5) -> list[datetime]:
    """The occurrences to come; none of a schedule that is disabled or broken."""
    if not schedule.enabled or schedule.next_run is None:
        return []
    return [schedule.next_run, *islice(_upcoming(schedule, schedule.next_run), count - 1)]


def run_now(schedule: Schedule, *, source: Source, principal: str) -> Operation:
    """Start it at once, beside its occurrences and whatever is still running of them.

    Raises InvalidParameters where the schedule is broken.
    """
    if wrong := problem(schedule):
        raise InvalidParameters({"schedule": [f"Is broken: {wrong}"]})
    with transaction.atomic():
        now = timezone.now()
        operation = start(_wanted(schedule, source, principal))
        _note(schedule, None, now, RunOutcome.STARTED, operation=operation, principal=principal)
    return operation


def tick(now: datetime | None = None) -> int:
    """Deal with every occurrence that is due; returns with how many. Any number of schedulers may call it."""
    now = now or timezone.now()
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
        _plan(schedule, occurrence)
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
        found += takewhile(lambda o: _due(schedule, o) <= end, _upcoming(schedule, begin))
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


def _plan(schedule: Schedule, moment: datetime) -> None:
    try:
        schedule.next_run = occurrences.following(schedule, moment) if schedule.enabled else None
    except InvalidParameters:
        schedule.next_run = None
    schedule.due_at = occurrences.due(schedule, schedule.next_run)


def _upcoming(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """None of a broken one."""
    return occurrences.upcoming(schedule, moment) if not _errors(occurrences.rhythm, schedule) else iter(())


def _due(schedule: Schedule, occurrence: datetime) -> datetime:
    return occurrences.due(schedule, occurrence) or occurrence


def _wanted(schedule: Schedule, source: Source, principal: str) -> Start:
    return Start(
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


def _same(schedule: Schedule, before: Schedule | None) -> bool:
    """Whether it is as it was, enabled or not."""
    return before is not None and all(
        getattr(before, field.attname) == getattr(schedule, field.attname)
        for field in Schedule._meta.concrete_fields
        if field.editable and field.name != "enabled"
    )


def _errors(check: Check, schedule: Schedule) -> dict[str, list[str]]:
    try:
        check(schedule)
    except InvalidParameters as wrong:
        return wrong.errors
    return {}


def _check_command(schedule: Schedule) -> None:
    if not isinstance(schedule.params, dict):
        raise InvalidParameters({"params": ["Must be an object."]})
    try:
        command(schedule.command, schedule.params)
    except UnknownCommand as error:
        raise InvalidParameters({"command": [f"{error}."]}) from None
    except InvalidParameters as wrong:
        raise _within("params", wrong) from None


def _check_selector(schedule: Schedule) -> None:
    try:
        compile_selector(schedule.selector)
    except InvalidParameters as wrong:
        raise _within("selector", wrong) from None


def _within(field: str, wrong: InvalidParameters) -> InvalidParameters:
    """All of it as errors of one field, for forms show errors by field."""
    return InvalidParameters(
        {
            field: [
                sentence if name == field else f"{name}: {sentence}"
                for name, sentences in wrong.errors.items()
                for sentence in sentences
            ]
        }
    )
