"""The occurrences of a schedule: recurrence, window, start, end and jitter taken together."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crypto.exceptions import InvalidParameters
from crypto.models import Schedule
from crypto.services.schedules.recurrence import Interval, Recurrence, Windowed, cron

MAX_INTERVAL = 366 * 24 * 3600
"""Seconds."""
MOMENT = timedelta(microseconds=1)
"""The smallest difference between two times."""
COMPARED = 10
"""The jitter must be shorter than the shortest interval between so many occurrences."""


def recurrence(schedule: Schedule) -> Recurrence:
    """From the schedule's fields. Raises InvalidParameters, which names each wrong field."""
    errors: dict[str, list[str]] = {}
    found: Recurrence | None = None
    zone = _zone(schedule.time_zone, errors)
    if bool(schedule.cron) == (schedule.interval is not None):
        errors["cron"] = ["Either cron or an interval must be given, and not both."]
    elif schedule.interval is not None:
        if not 1 <= schedule.interval <= MAX_INTERVAL:
            errors["interval"] = [f"Must lie between 1 and {MAX_INTERVAL} seconds."]
        else:
            found = Interval(schedule.interval, schedule.start or schedule.created_at)
    else:
        try:
            found = cron(schedule.cron, zone)
        except ValueError as error:
            errors["cron"] = [str(error)]
    if (schedule.window_start is None) != (schedule.window_end is None):
        errors["window_end"] = ["A window has a start and an end."]
    elif schedule.window_start is not None and schedule.window_start == schedule.window_end:
        errors["window_end"] = ["A window's end is not its start."]
    if errors or found is None:
        raise InvalidParameters(errors)
    if schedule.window_start is not None and schedule.window_end is not None:
        return Windowed(found, zone, schedule.window_start, schedule.window_end)
    return found


def following(schedule: Schedule, moment: datetime) -> datetime | None:
    """The first occurrence after `moment`; None if there is none. Raises InvalidParameters."""
    if schedule.start is not None:
        moment = max(moment, schedule.start - MOMENT)
    found = recurrence(schedule).after(moment)
    return None if found is None or (schedule.end is not None and found > schedule.end) else found


def upcoming(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """All occurrences after `moment`. Raises InvalidParameters."""
    found = following(schedule, moment)
    while found is not None:
        yield found
        found = following(schedule, found)


def due(schedule: Schedule, occurrence: datetime | None) -> datetime | None:
    """When the occurrence is to start: its time and its jitter, which is the same in every process."""
    if occurrence is None or not schedule.jitter:
        return occurrence
    jitter = random.Random(f"{schedule.pk} {occurrence.timestamp()}").uniform(0, schedule.jitter)
    return occurrence + timedelta(seconds=round(jitter, 3))


def check(schedule: Schedule, moment: datetime) -> None:
    """Raises InvalidParameters if there would be no occurrence, or if the jitter is too long."""
    if schedule.start is not None and schedule.end is not None and schedule.end <= schedule.start:
        raise InvalidParameters({"end": ["Must be later than the start."]})
    begin = max(moment, schedule.start or moment)
    ever = recurrence(schedule).after(begin - MOMENT)
    if ever is None:
        field = "cron" if schedule.cron else "interval"
        inside = " within the window" if schedule.window_start is not None else ""
        raise InvalidParameters({field: [f"Never comes{inside}."]})
    if schedule.enabled and schedule.end is not None and ever > schedule.end:
        raise InvalidParameters({"end": ["Nothing would run before it; disable the schedule instead."]})
    if schedule.jitter:
        coming = list(islice(upcoming(schedule, moment), COMPARED))
        gaps = [(b - a).total_seconds() for a, b in pairwise(coming)]
        if gaps and schedule.jitter >= min(gaps):
            raise InvalidParameters({"jitter": [f"Must be shorter than the {min(gaps):g} s between runs."]})


def _zone(name: str, errors: dict[str, list[str]]) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        errors["time_zone"] = [f"There is no time zone {name[:40]!r}."]
        return ZoneInfo("UTC")
