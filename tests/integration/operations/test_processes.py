"""Operations through real processes, their totals recounted from the agents' side."""

import pytest
from django.utils import timezone

from crypto.models import CommandLog, Operation, State
from crypto.models.clock import TOLERATED
from crypto.services.operations import actions
from crypto.services.operations.progress import progress
from tests.integration.operations.plant import Plant, ended, ids
from tests.support import bulk, ledger
from tests.support.processes import HOOKED, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def half_done(operation: Operation) -> None:
    wait_until(lambda: progress(operation.pk).part >= 0.4, 60, "40 % of the operation")


def test_the_totals_are_those_of_the_agents(plant: Plant) -> None:
    plant.worker("bulk", "sync", "default", "urgent")
    plant.fleet(200, "--offline", "30%", "--silent", "10%", "--refusing", "5%", connected=140)
    code, shown = plant.cli("start", "sync_wallets", "--timeout", "1", "--reason", "trial")
    operation = Operation.objects.get(pk=shown["id"])
    assert (code, shown["state"]) == (1, "COMPLETED_WITH_FAILURES")
    assert {state: number for state, number in shown["counts"].items() if number} == {
        "SUCCEEDED": 110,
        "REJECTED": 10,
        "NOT_CONNECTED": 60,
        "TIMED_OUT": 20,
    }
    bulk.check(operation)
    ledger.check(bulk.rows(operation))
    effects = plant.effects()
    assert ids(operation, "SUCCEEDED") <= effects.keys() <= ids(operation, "SUCCEEDED", "TIMED_OUT")
    assert set(effects.values()) == {1}
    assert all(row.reason for row in bulk.rows(operation) if row.state != State.SUCCEEDED)

    code, again = plant.cli("retry", shown["id"], "--states", "timed_out")
    assert (code, again["targets"], again["parent"], again["counts"]["TIMED_OUT"]) == (1, 20, shown["id"], 20)
    assert plant.cli("cancel", again["id"]) == (3, {})


def test_a_worker_killed_half_way_leaves_it_exact(plant: Plant) -> None:
    worker = plant.worker("bulk", "sync")
    plant.fleet(300, "--slow-ms", "50")
    operation = bulk.started("sync_wallets", window=60, timeout=3)
    half_done(operation)
    worker.kill()
    plant.worker("bulk", "sync")
    assert ended(operation).state == "COMPLETED"
    bulk.check(operation)
    assert ids(operation, "SUCCEEDED") == set(plant.effects())
    assert set(plant.effects().values()) == {1}


def test_canceled_half_way_nothing_more_takes_effect(plant: Plant) -> None:
    plant.worker("bulk", "sync")
    plant.fleet(200, "--slow-ms", "50")
    operation = bulk.started("sync_wallets", window=20)
    half_done(operation)
    actions.cancel(operation.pk, "ada")
    assert ended(operation).state == "CANCELED"
    standing = bulk.check(operation)
    assert 0 < standing.by_state[State.CANCELED] < 200
    assert set(plant.effects()) == ids(operation, "SUCCEEDED")


def test_pause_all_overtakes_a_backlog(plant: Plant) -> None:
    plant.env["WORKER_WINDOW"] = "500"  # most of the backlog stays in the queues
    plant.worker("urgent")
    plant.fleet(50, "--slow-ms", "200")
    syncing = bulk.started("sync_wallets")
    backlog = [bulk.started("ping") for _ in range(100)]
    pausing = bulk.started("pause")
    assert ended(pausing, 30).state == "COMPLETED"
    assert not CommandLog.objects.filter(operation__in=[syncing, *backlog]).exclude(state="QUEUED").exists()

    plant.worker("bulk", "sync", "default", "urgent")
    wait_until(
        lambda: CommandLog.objects.filter(operation__in=backlog, state="SENT").exists(), 30, "the backlog"
    )
    resuming = bulk.started("pause")
    assert ended(resuming, 30).state == "COMPLETED"
    assert CommandLog.objects.filter(operation__in=backlog, state="QUEUED").exists()
    for operation in backlog:
        assert ended(operation, 120).state == "COMPLETED"


def test_the_stream_runs_a_second_operation_beside_a_long_one(plant: Plant) -> None:
    plant.worker("bulk", "sync", "urgent")
    plant.fleet(50, "--slow-ms", "300")
    slow, other = bulk.started("sync_wallets"), bulk.started("sync_wallets")
    assert ended(bulk.started("ping")).state == "COMPLETED"
    assert {ended(slow).state, ended(other).state} == {"COMPLETED"}
    assert set(plant.effects().values()) == {1}


def test_a_worker_whose_clock_is_wrong_goes_by_the_ledgers(plant: Plant) -> None:
    plant.worker("bulk", CHAOS_CLOCK="70", **HOOKED)
    plant.fleet(5)
    before = timezone.now()
    operation = ended(bulk.started("ping"))
    assert operation.state == "COMPLETED"  # by its own clock every lease is over, and no client connected
    took = timezone.now() - before
    late = [row.sent_at - before for row in bulk.rows(operation) if row.sent_at is not None]
    assert len(late) == 5
    assert max(map(abs, late)) < took + TOLERATED
