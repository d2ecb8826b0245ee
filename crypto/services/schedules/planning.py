"""Planning: when a schedule runs next."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from crypto.exceptions import InvalidParameters
from crypto.models import Schedule, clock
from crypto.services.schedules import occurrences

from .validation import TIMING, check, errors_of


def prepare(schedule: Schedule, now: datetime | None = None) -> None:
    """Check a schedule that is about to be saved and set when it runs next. Raises InvalidParameters.

    Call it in the transaction that saves. An occurrence that was dealt with does not come again, whatever is changed.
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
    """The next occurrences; none if the schedule is disabled or broken."""
    if not schedule.enabled or schedule.next_run is None:
        return []
    return [schedule.next_run, *islice(upcoming(schedule, schedule.next_run), count - 1)]


def plan(schedule: Schedule, moment: datetime) -> None:
    """Set when the schedule runs next after `moment`: never, if it is disabled or broken."""
    try:
        schedule.next_run = occurrences.following(schedule, moment) if schedule.enabled else None
    except InvalidParameters:
        schedule.next_run = None
    schedule.due_at = occurrences.due(schedule, schedule.next_run)


def upcoming(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """All occurrences after `moment`; none if the schedule is broken."""
    return (
        occurrences.upcoming(schedule, moment)
        if not errors_of(occurrences.recurrence, schedule)
        else iter(())
    )


def due(schedule: Schedule, occurrence: datetime) -> datetime:
    """When the occurrence is to start, with its jitter."""
    return occurrences.due(schedule, occurrence) or occurrence
