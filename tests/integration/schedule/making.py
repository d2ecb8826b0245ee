"""Schedules as if they had been made at another time."""

from datetime import datetime
from typing import Any

from crypto.models import Schedule, ScheduleRun
from crypto.services.schedules import occurrences


def schedule(now: datetime, **fields: Any) -> Schedule:
    """Pings everybody every minute, unless `fields` say otherwise."""
    values = {"name": "every minute", "command": "ping", "created_at": now, **fields}
    if "interval" not in values:
        values.setdefault("cron", "* * * * *")
    made = Schedule(**values)
    made.save()
    made.next_run = occurrences.following(made, now) if made.enabled else None
    made.due_at = occurrences.due(made, made.next_run)
    Schedule.objects.filter(pk=made.pk).update(next_run=made.next_run, due_at=made.due_at)
    return made


def runs(of: Schedule) -> list[tuple[str, str]]:
    """Time of day and outcome of its runs, oldest first."""
    found = ScheduleRun.objects.filter(schedule=of).order_by("id")
    return [(f"{run.occurrence:%H:%M:%S}" if run.occurrence else "", run.outcome) for run in found]
