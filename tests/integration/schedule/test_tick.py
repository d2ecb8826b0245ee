"""What the tick makes of occurrences. Its clock is the tests'."""

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.commands import registry
from crypto.exceptions import InvalidParameters
from crypto.management.first_steps import ensure_schedule
from crypto.models import (
    CommandLog,
    Missed,
    Operation,
    OperationState,
    Overlap,
    Schedule,
    ScheduleRun,
    Source,
)
from crypto.services import schedules
from crypto.services.schedules import tick
from tests.integration.schedule.making import runs, schedule
from tests.support import ledger

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def test_an_occurrence_starts_one_operation_that_says_who_asked(now: datetime) -> None:
    client = ledger.client(ledger.node())
    made = schedule(now)

    assert tick(now + 29 * SECOND) == 0
    assert tick(now + 30 * SECOND) == 1
    assert tick(now + 31 * SECOND) == 0

    row = CommandLog.objects.get(client=client)
    assert (row.command, row.source, row.principal) == ("ping", Source.SCHEDULE, "every minute")
    assert runs(made) == [("12:01:00", "STARTED")]
    assert ScheduleRun.objects.get().operation_id == row.operation_id


def test_two_due_at_once_are_both_dealt_with(now: datetime) -> None:
    made = schedule(now, overlap=Overlap.ALLOW, interval=10)

    tick(now + 35 * SECOND)

    assert runs(made) == [("12:00:40", "STARTED"), ("12:00:50", "STARTED"), ("12:01:00", "STARTED")]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [(Missed.SKIP, ("14:59:00", "MISSED")), (Missed.ONCE, ("14:59:00", "STARTED"))],
)
def test_after_three_hours_without_a_scheduler(now: datetime, missed: Missed, expected: Any) -> None:
    made = schedule(now, missed=missed, overlap=Overlap.ALLOW)

    tick(now + 3 * HOUR - SECOND)
    tick(now + 3 * HOUR + MINUTE)

    assert runs(made) == [expected, ("15:00:00", "STARTED"), ("15:01:00", "STARTED")]


def test_years_without_a_scheduler_are_no_work(now: datetime) -> None:
    made = schedule(now, interval=1, missed=Missed.SKIP)
    yearly = schedule(now, name="yearly", cron="0 0 1 1 *", missed=Missed.ONCE)

    tick(now + timedelta(days=1_000))

    assert runs(made)[0][1] == "MISSED"
    assert yearly.runs.get().occurrence == datetime(2034, 1, 1, tzinfo=now.tzinfo)


def test_an_occurrence_passes_while_the_last_operation_runs(now: datetime) -> None:
    ledger.client(ledger.node())
    made = schedule(now)

    tick(now + MINUTE)
    tick(now + 2 * MINUTE)
    Operation.objects.update(state=OperationState.COMPLETED)
    tick(now + 3 * MINUTE)

    assert [outcome for _, outcome in runs(made)] == ["STARTED", "OVERLAP", "STARTED"]


def test_jitter_puts_off_but_never_drops(now: datetime) -> None:
    made = schedule(now, jitter=20, overlap=Overlap.ALLOW)
    begun = {}

    for second in range(600):
        if tick(now + second * SECOND):
            begun[runs(made)[-1][0]] = second

    late = [second - 30 - 60 * number for number, second in enumerate(begun.values())]
    assert list(begun) == [f"12:{minute:02}:00" for minute in range(1, len(begun) + 1)]
    assert len(begun) >= 9
    assert all(0 <= seconds <= 21 for seconds in late)
    assert len(set(late)) > 1


def test_only_between_start_and_end_and_within_the_window(now: datetime) -> None:
    made = schedule(
        now,
        overlap=Overlap.ALLOW,
        start=now + 5 * MINUTE,
        end=now + 50 * MINUTE,
        window_start=time(12, 10),
        window_end=time(12, 13),
        time_zone="UTC",
    )

    for minute in range(90):
        tick(now + minute * MINUTE)

    assert [at for at, _ in runs(made)] == ["12:10:00", "12:11:00", "12:12:00"]


def test_a_change_does_not_bring_back_what_was_dealt_with(now: datetime) -> None:
    """The scheduler's clock was ahead of that of the process that saves."""
    made = schedule(now)
    ahead = made.next_run
    assert ahead is not None
    tick(ahead)

    made = Schedule.objects.get()
    made.cron = "*/1 * * * *"
    schedules.prepare(made, ahead - 2 * SECOND)

    assert made.next_run == ahead + MINUTE


def test_a_stale_copy_does_not_wind_the_clock_back(now: datetime) -> None:
    made = schedule(now)
    stale = Schedule.objects.get()
    assert made.next_run is not None
    tick(made.next_run)

    stale.name = "renamed"
    stale.save()

    assert Schedule.objects.get().next_run == made.next_run + MINUTE


def test_a_command_that_is_gone_breaks_its_schedule_alone(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = schedule(now, name="a broken one", command="restart")
    good = schedule(now, name="good")
    monkeypatch.delitem(registry, "restart")

    tick(now + MINUTE)
    tick(now + 2 * MINUTE)

    assert "no command 'restart'" in schedules.problem(broken)
    assert [outcome for _, outcome in runs(broken)] == ["BROKEN", "BROKEN"]
    assert "STARTED" in dict(runs(good)).values()
    with pytest.raises(InvalidParameters):
        schedules.run_now(broken, source=Source.CODE, principal="me")
    broken.enabled = False
    broken.save()
    tick(now + 3 * MINUTE)
    assert len(runs(broken)) == 2


def test_run_now_is_beside_the_occurrences(now: datetime) -> None:
    made = schedule(now)

    operation = schedules.run_now(made, source=Source.CLI, principal="ann")

    assert (operation.source, operation.principal, operation.reason) == (
        "cli",
        "ann",
        "schedule every minute",
    )
    assert Schedule.objects.get().next_run == made.next_run
    assert runs(made) == [("", "STARTED")]


def test_the_next_five(now: datetime) -> None:
    made = schedule(now, cron="0 9 * * 1-5", time_zone="Europe/Berlin")

    assert [f"{run:%a %H:%M}" for run in schedules.next_runs(made)] == [
        "Tue 07:00", "Wed 07:00", "Thu 07:00", "Fri 07:00", "Mon 07:00",
    ]  # fmt: skip


def test_runs_are_remembered_but_not_for_ever(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules.runs, "KEPT", 3)
    made = schedule(now, overlap=Overlap.ALLOW)

    for minute in range(1, 8):
        tick(now + minute * MINUTE)

    assert [at for at, _ in runs(made)] == ["12:05:00", "12:06:00", "12:07:00"]


def test_a_new_installation_syncs_every_wallet_every_five_minutes(tmp_path: Path) -> None:
    ensure_schedule(tmp_path)
    ensure_schedule(tmp_path)

    made = Schedule.objects.get()
    first, second = schedules.next_runs(made, 2)
    assert (made.command, made.enabled, second - first) == ("sync_wallets", True, 5 * MINUTE)

    made.delete()
    ensure_schedule(tmp_path)
    assert not Schedule.objects.exists()
