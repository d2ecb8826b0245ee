"""The figures of the admin's home."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crypto.models import ClientStatus, CommandLog, Schedule, State
from crypto.services import dashboard
from crypto.services.ledger.settle import record_acks
from tests.support import bulk, ledger

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, 30, 40, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_the_fleet_by_status_and_connection() -> None:
    bulk.clients(3, ledger.node(), status=ClientStatus.ACTIVE)
    bulk.clients(2, None, status=ClientStatus.PAUSED)
    bulk.clients(1, None, status=ClientStatus.ACTIVE, diverged_at=NOW)
    fleet = dashboard.fleet()
    assert (fleet.clients, fleet.connected, fleet.diverged) == (6, 3, 1)
    assert {name: count for name, count in fleet.statuses.items() if count} == {"ACTIVE": 4, "PAUSED": 2}


def test_minutes_count_what_was_issued_and_what_of_it_failed() -> None:
    to = ledger.client(ledger.node())
    for minutes, state in [
        (0, State.QUEUED),
        (0, State.TIMED_OUT),
        (59, State.SUPERSEDED),
        (59, State.FAILED),
        (59, State.NOT_CONNECTED),
        (60, State.FAILED),
    ]:
        row = ledger.queued(to)
        CommandLog.objects.filter(pk=row.pk).update(created_at=NOW - minutes * MINUTE, state=state)
    found = dashboard.minutes(NOW)
    assert len(found) == 60
    assert [each.at for each in found[::59]] == [
        datetime(2026, 3, 1, h, m, tzinfo=UTC) for h, m in ((11, 31), (12, 30))
    ]
    busy = [(each.at.minute, each.issued, each.failed) for each in found if each.issued]
    assert busy == [(31, 3, 2), (30, 2, 1)]


def test_the_slowest_come_first() -> None:
    node = ledger.node()
    for name, seconds in [("quick", [1]), ("slow", [2, 6]), ("idle", [])]:
        to = ledger.client(node, name=name)
        for took in seconds:
            attempt = ledger.sent(to)
            record_acks([ledger.ack(attempt)])
            CommandLog.objects.filter(pk=attempt.id).update(
                created_at=NOW - MINUTE, sent_at=NOW, acked_at=NOW + timedelta(seconds=took)
            )
    found = [(each.name, each.acks, each.average, each.longest) for each in dashboard.slowest(NOW)]
    assert found == [("slow", 2, 4.0, 6.0), ("quick", 1, 1.0, 1.0)]
    assert dashboard.slowest(NOW + timedelta(hours=1)) == []


def test_running_operations_and_how_far_they_are() -> None:
    bulk.clients(4, ledger.node())
    operation = bulk.started("ping")
    bulk.answered(bulk.claimed(operation)[:1])
    (found,) = dashboard.running()
    assert (found.operation, found.ended, found.percent) == (operation, 1, 25.0)


def test_schedules_in_the_order_of_their_runs() -> None:
    for name, interval in [("late", 7_200), ("soon", 60)]:
        Schedule.objects.create(name=name, command="ping", interval=interval)
    Schedule.objects.create(name="off", command="ping", interval=60, enabled=False)
    Schedule.objects.filter(name="late").update(command="gone")
    soon, late = dashboard.upcoming()
    assert (soon.schedule.name, soon.problem) == ("soon", "")
    assert late.schedule.name == "late"
    assert "gone" in late.problem


def test_more_rows_cost_no_more_queries() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            dashboard.fleet(), dashboard.minutes(), dashboard.slowest(), dashboard.running()
        return len(captured)

    bulk.clients(1, ledger.node())
    bulk.started("ping")
    few = queries()
    bulk.clients(5, ledger.node())
    bulk.started("ping")
    bulk.started("ping")
    assert queries() == few <= 6
