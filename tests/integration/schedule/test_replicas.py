"""Four schedulers as processes, killed and started again, through an hour of simulated time."""

import os
import random
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto.models import Operation, Overlap, RunOutcome, Schedule, ScheduleRun
from tests.support.ledger import client
from tests.support.live import live_environment
from tests.support.processes import Process, wait_until

BEGIN = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
"""Half an hour before Berlin's clocks are put back."""
MINUTES = 60
STEP = timedelta(seconds=30)
SKEWS = (0.0, 2.0, -2.0, 1.0)


class Clock:
    """Replaced as a whole, so that nobody reads half a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, now: datetime) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(now.isoformat())
        os.replace(fresh, self.path)


def replica(clock: Clock, skew: float, tmp_path: Path) -> Process:
    argv = [sys.executable, "-m", "tests.integration.schedule.replica", str(clock.path), str(skew)]
    env = live_environment(tmp_path, DJANGO_SETTINGS_MODULE="tests.replica_settings")
    return Process(argv, env, tmp_path / f"replica{skew}.log")


def every_minute(name: str, **fields: object) -> Schedule:
    schedule = Schedule(
        name=name,
        command="ping",
        cron="* * * * *",
        time_zone="Europe/Berlin",
        overlap=Overlap.ALLOW,
        **fields,
    )
    schedule.save()
    Schedule.objects.filter(pk=schedule.pk).update(
        next_run=BEGIN + timedelta(minutes=1), due_at=BEGIN + timedelta(minutes=1)
    )
    return schedule


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_each_occurrence_exactly_once(tmp_path: Path) -> None:
    client()
    schedules = [every_minute(name) for name in ("one", "two", "three")]
    clock = Clock(tmp_path / "clock")
    clock.set(BEGIN)
    lots = random.Random(7)
    replicas = [replica(clock, skew, tmp_path) for skew in SKEWS]
    try:
        for each in replicas:
            each.wait_for_text("ticking")
        now = BEGIN
        while now < BEGIN + MINUTES * timedelta(minutes=1):
            now += STEP
            clock.set(now)
            # The clock goes on once everything that is due by it has been dealt with.
            wait_until(lambda now=now: not Schedule.objects.filter(due_at__lte=now).exists(), 60, f"{now}")  # type: ignore[misc]
            if lots.random() < 0.1:
                at = lots.randrange(len(replicas))
                replicas[at].kill()
                replicas[at] = replica(clock, SKEWS[at], tmp_path)
    finally:
        for each in replicas:
            each.__exit__(None, None, None)

    assert not any("Traceback" in each.text for each in replicas)
    expected = [BEGIN + timedelta(minutes=n) for n in range(1, MINUTES + 1)]
    for schedule in schedules:
        runs = ScheduleRun.objects.filter(schedule=schedule, occurrence__lte=now).order_by("occurrence")
        assert list(runs.values_list("occurrence", flat=True)) == expected
        assert set(runs.values_list("outcome", flat=True)) == {RunOutcome.STARTED.value}
    started = Counter(Operation.objects.filter(source="schedule").values_list("principal", flat=True))
    assert all(MINUTES <= started[schedule.name] <= MINUTES + 1 for schedule in schedules)
    assert Operation.objects.count() == ScheduleRun.objects.count()
