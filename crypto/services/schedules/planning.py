"""When a schedule runs next."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from crypto.exceptions import InvalidParameters
from crypto.models import Schedule, clock
from crypto.services.schedules import occurrences

from .validation import TIMING, check, errors_of


def prepare(schedule: Schedule, now: datetime | None = None) -> None:
    """Check a schedule that is about to be saved and say when it runs next. Raises InvalidParameters.

    To be called in the transaction that saves it. What was dealt with is not dealt with again, whatever is changed.
    """
    now = now or clock.now()
    check(schedule, now)
    before = Schedule.objects.select_for_update().filter(pk=schedule.pk).first() if schedule.pk else None
    if before is not None:
        schedule.last_run = before.last_run
        if all(getattr(before, name) == getattr(schedule, name) for name in TIMING):
            schedule.next_run, schedule.due_at = before.next_run, before.due_at
            return
    plan(schedule, max(now, schedule.last_run or now))


def next_runs(schedule: Schedule, count: int = 5) -> list[datetime]:
    """The occurrences to come; none of a schedule that is disabled or broken."""
    if not schedule.enabled or schedule.next_run is None:
        return []
    return [schedule.next_run, *islice(upcoming(schedule, schedule.next_run), count - 1)]


def plan(schedule: Schedule, moment: datetime) -> None:
    """Set when it runs next after `moment`: never, if it is disabled or broken."""
    try:
        schedule.next_run = occurrences.following(schedule, moment) if schedule.enabled else None
    except InvalidParameters:
        schedule.next_run = None
    schedule.due_at = occurrences.due(schedule, schedule.next_run)


def upcoming(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """None of a broken one."""
    return occurrences.upcoming(schedule, moment) if not errors_of(occurrences.rhythm, schedule) else iter(())


def due(schedule: Schedule, occurrence: datetime) -> datetime:
    """With its jitter."""
    return occurrences.due(schedule, occurrence) or occurrence
