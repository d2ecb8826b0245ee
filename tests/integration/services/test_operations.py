from datetime import timedelta
from typing import Any
from uuid import UUID

import dramatiq
import pytest
from django.db import connection
from django.utils import timezone

from crypto.exceptions import DedupeConflict, InvalidParameters, OperationConflict, SnapshotChanged
from crypto.models import (
    Client,
    CommandLog,
    Operation,
    OperationState,
    Source,
    StandingOrder,
    State,
    StreamNode,
)
from crypto.services.ledger.claim import claim
from crypto.services.ledger.issue import command
from crypto.services.ledger.sweep import sweep
from crypto.services.operations import actions
from crypto.services.operations.policy import Policy
from crypto.services.operations.progress import progress
from crypto.services.operations.rollout import advance_all
from crypto.services.operations.start import OperationRequest, start
from crypto.services.operations.targets import preview
from crypto.signals import operation_finished
from tests.support import bulk, ledger
from tests.support.bulk import answered, check, claimed, counts, rows, started, state

Ring = tuple[str, set[UUID]]


def rings(broker: Any) -> list[Ring]:
    """(lane, ids) of each message that waits, taken out."""
    found = []
    for lane, queue in broker.queues.items():
        while not queue.empty():
            message = dramatiq.Message.decode(queue.get())
            found.append((lane, {UUID(id) for id in message.args[0]}))
    return found


def test_every_target_has_a_row_and_every_skip_a_reason(node: StreamNode) -> None:
    bulk.clients(3, node, capabilities=["get_wallets"])
    bulk.clients(2, node)
    bulk.clients(4, None)
    operation = started("get_wallets")
    assert operation.targets == 9
    assert counts(operation) == {"QUEUED": 3, "REJECTED": 2, "NOT_CONNECTED": 4}
    assert {row.reason for row in rows(operation, State.REJECTED, State.NOT_CONNECTED)} == {
        "skipped: the client is not connected",
        "skipped: the client did not declare this command",
    }
    ledger.check(rows(operation))
    answered(claimed(operation))
    advance_all()
    assert state(operation) == "COMPLETED_WITH_FAILURES"
    check(operation)


@pytest.mark.parametrize(("name", "lane"), [("pause", "urgent"), ("ping", "bulk"), ("sync_wallets", "sync")])
def test_rings_on_commit_in_chunks_in_its_lane(
    transactional_db: None, broker: dramatiq.Broker, name: str, lane: str
) -> None:
    bulk.clients(260, ledger.node())
    operation = started(name)
    found = rings(broker)
    assert [(at, len(ids)) for at, ids in found] == [(lane, 250), (lane, 10)]
    assert set().union(*(ids for _, ids in found)) == {row.id for row in rows(operation)}


def test_an_operation_without_targets_is_complete(transactional_db: None) -> None:
    operation = started(selector={"type": "nobody"})
    assert (operation.targets, state(operation)) == (0, "COMPLETED")


def test_inserting_costs_statements_not_rows(node: StreamNode, django_assert_max_num_queries: Any) -> None:
    bulk.clients(300, node)
    with django_assert_max_num_queries(8):
        started("ping")


def test_it_ends_once_and_says_so_after_commit(transactional_db: None) -> None:
    heard = []

    def hear(operation: UUID, **kwargs: Any) -> None:
        heard.append((operation, connection.in_atomic_block))

    operation_finished.connect(hear)
    try:
        bulk.clients(2, ledger.node())
        operation = started()
        answered(claimed(operation))
        advance_all()
        advance_all()
        assert progress(operation.pk).operation.state == OperationState.COMPLETED
    finally:
        operation_finished.disconnect(hear)
    assert heard == [(operation.pk, False)]


def test_looking_ends_it_without_a_conductor(node: StreamNode) -> None:
    bulk.clients(2, node)
    operation = started()
    answered(claimed(operation))
    assert state(operation) == "RUNNING"
    found = progress(operation.pk)
    assert (found.operation.state, found.part) == ("COMPLETED", 1.0)


def test_a_late_ack_still_counts(node: StreamNode) -> None:
    bulk.clients(1, node)
    operation = started()
    (attempt,) = claimed(operation)
    CommandLog.objects.update(max_attempts=1)
    ledger.hurry(attempt)
    sweep()
    advance_all()
    assert (state(operation), counts(operation)) == ("COMPLETED_WITH_FAILURES", {"TIMED_OUT": 1})
    answered([attempt])
    assert counts(operation) == {"SUCCEEDED": 1}


def test_a_preview_counts_and_holds_the_start_to_it(node: StreamNode) -> None:
    here = bulk.clients(2, node, capabilities=["restart"], status="PAUSED")
    bulk.clients(3, None)
    seen = preview(type(command("restart")), {"all": True})
    assert (seen.targets, seen.offline, seen.unsupported, seen.paused) == (5, 3, 3, 2)
    wanted = OperationRequest(command=command("restart"), expected_snapshot=seen.snapshot)
    assert start(wanted).targets == 5

    stranger, gone = ledger.client(), here[0].id
    CommandLog.objects.filter(client=here[0]).delete()
    here[0].delete()
    with pytest.raises(SnapshotChanged) as changed:
        start(wanted)
    assert (changed.value.joined, changed.value.left) == ([stranger.id], [gone])
    assert Operation.objects.count() == 1


def test_a_snapshot_nobody_remembers_is_refused(node: StreamNode) -> None:
    with pytest.raises(SnapshotChanged) as changed:
        start(OperationRequest(command=command("ping"), expected_snapshot="0" * 64))
    assert changed.value.joined is None


def test_a_key_finds_the_operation_of_then(node: StreamNode) -> None:
    bulk.clients(2, node)
    first = start(OperationRequest(command=command("ping"), dedupe_key="k"))
    assert start(OperationRequest(command=command("ping"), dedupe_key="k")).pk == first.pk
    with pytest.raises(DedupeConflict):
        start(OperationRequest(command=command("pause"), dedupe_key="k"))
    assert CommandLog.objects.count() == 2


def test_it_supersedes_what_waits_and_never_itself(node: StreamNode) -> None:
    one, _ = bulk.clients(2, node, capabilities=["update_config"])
    single = ledger.queued(one, "resume")
    earlier = started("resume")
    pausing = started("pause")
    assert ledger.row(single).state == State.SUPERSEDED
    assert counts(earlier) == {"SUPERSEDED": 2}
    assert counts(pausing) == {"QUEUED": 2}
    assert {row.superseded_by for row in rows(earlier)} == {pausing.pk}
    configured = started("update_config")
    assert counts(configured) == {"QUEUED": 2}


def test_a_second_operation_on_the_same_clients_runs_beside(node: StreamNode) -> None:
    bulk.clients(3, node)
    first, second = started("sync_wallets"), started("ping")
    answered(claimed(second))
    advance_all()
    assert (state(first), state(second)) == ("RUNNING", "COMPLETED")
    answered(claimed(first))
    advance_all()
    assert state(first) == "COMPLETED"


def test_queued_for_the_offline_waits_for_them(node: StreamNode) -> None:
    bulk.clients(1, node)
    (away,) = bulk.clients(1, None)
    operation = started(offline="queue")
    answered(claimed(operation))
    advance_all()
    assert (state(operation), counts(operation)) == ("RUNNING", {"SUCCEEDED": 1, "QUEUED": 1})
    Client.objects.filter(pk=away.pk).update(node=node)
    answered(claimed(operation))
    advance_all()
    assert state(operation) == "COMPLETED"


def test_the_window_bounds_what_is_under_way(transactional_db: None) -> None:
    bulk.clients(5, ledger.node())
    operation = started(window=2)
    for ended in (0, 2, 4):
        attempts = claimed(operation)
        assert len(attempts) == min(2, 5 - ended)
        advance_all()
        assert claimed(operation) == []
        answered(attempts)
        advance_all()
        check(operation)
    assert state(operation) == "COMPLETED"


def test_those_who_wait_to_connect_do_not_fill_the_window(transactional_db: None) -> None:
    bulk.clients(3, None)
    bulk.clients(1, ledger.node())
    operation = started(window=1, offline="queue")
    for _ in range(4):
        answered(claimed(operation))
        advance_all()
    assert counts(operation) == {"SUCCEEDED": 1, "QUEUED": 3}
    assert not check(operation).held


def test_those_whom_an_order_keeps_paused_do_not_fill_the_window(transactional_db: None) -> None:
    node = ledger.node()
    order = StandingOrder.objects.create(selector={"type": "held"}, source=Source.CLI)
    for at in range(5):
        ledger.client(node, name=f"held {at}", type="held", paused_by=order)
    (free,) = bulk.clients(1, node)
    operation = started("sync_wallets", window=1, offline="queue")
    for _ in range(12):
        answered(claimed(operation))
        advance_all()
    assert counts(operation) == {"SUCCEEDED": 1, "QUEUED": 5}
    assert CommandLog.objects.get(operation=operation, client=free).state == State.SUCCEEDED
    after = check(operation)
    assert (after.in_flight, after.held.total()) == (0, 0)


def test_those_whom_an_order_keeps_paused_do_not_hold_up_a_wave(transactional_db: None) -> None:
    node = ledger.node()
    order = StandingOrder.objects.create(selector={"type": "held"}, source=Source.CLI)
    for at in range(2):
        ledger.client(node, name=f"held {at}", type="held", paused_by=order)
    bulk.clients(4, node)
    operation = started("sync_wallets", waves=[3], offline="queue")
    for _ in range(12):
        answered(claimed(operation))
        advance_all()
    assert counts(operation) == {"SUCCEEDED": 4, "QUEUED": 2}


def test_the_rate_bounds_what_is_released(transactional_db: None) -> None:
    bulk.clients(20, ledger.node())
    operation = started(rate=5)
    assert len(claimed(operation)) == 0
    long_ago = timezone.now() - timedelta(seconds=1)
    Operation.objects.update(allowance_at=long_ago)
    advance_all()
    assert len(claimed(operation)) == 5
    Operation.objects.update(allowance_at=long_ago - timedelta(hours=1))
    advance_all()
    assert len(claimed(operation)) == 5


def test_waves_follow_each_other_through_their_gates(transactional_db: None) -> None:
    bulk.clients(10, ledger.node())
    operation = started(waves=[1, "30%"], gate=0.6)
    for size in (1, 3, 6):
        attempts = claimed(operation)
        assert len(attempts) == size
        advance_all()
        assert claimed(operation) == []
        answered(attempts[1:] or attempts)
        answered(attempts[:1], "Boom")
        advance_all()
    assert state(operation) == "COMPLETED_WITH_FAILURES"
    check(operation)


def test_a_gate_that_is_not_met_pauses_and_people_decide(transactional_db: None) -> None:
    bulk.clients(10, ledger.node())
    operation = started(waves=[2, 2], gate=0.6)
    answered(claimed(operation), "Boom")
    advance_all()
    found = progress(operation.pk)
    assert (found.operation.state, found.operation.note) == (
        "PAUSED",
        "wave 1: 0% succeeded, the gate is 60%",
    )
    assert claimed(operation) == []

    actions.step(operation.pk)
    attempts = claimed(operation)
    assert len(attempts) == 2
    answered(attempts)
    advance_all()
    assert progress(operation.pk).operation.note == "wave 2 of 3 is over"

    actions.resume(operation.pk)
    answered(claimed(operation))
    advance_all()
    assert counts(operation) == {"FAILED": 2, "SUCCEEDED": 8}
    assert state(operation) == "COMPLETED_WITH_FAILURES"


@pytest.mark.parametrize(
    ("error", "threshold"),
    [("Boom", {"FAILED": 2}), ("Rejected", {"REJECTED": "20%"}), ("Boom", {"FAILED": "11%"})],
)
def test_a_threshold_ends_it(transactional_db: None, error: str, threshold: dict[str, Any]) -> None:
    bulk.clients(10, ledger.node())
    operation = started(window=5, abort=threshold)
    attempts = claimed(operation)
    answered(attempts[:2], error)
    advance_all()
    assert state(operation) == "STOPPING"
    assert claimed(operation) == []
    check(operation)
    answered(attempts[2:])
    advance_all()
    assert state(operation) == "ABORTED"
    assert counts(operation)["CANCELED"] == 5
    assert {row.reason.split(":")[0] for row in rows(operation, State.CANCELED)} == {"aborted"}


def test_the_skipped_do_not_count_for_thresholds(transactional_db: None) -> None:
    bulk.clients(5, None)
    bulk.clients(1, ledger.node())
    operation = started(abort={"NOT_CONNECTED": 1})
    advance_all()
    assert state(operation) == "RUNNING"


def test_from_its_pause_on_nothing_is_claimed(transactional_db: None) -> None:
    bulk.clients(4, ledger.node())
    operation = started()
    ids = [row.id for row in rows(operation)]
    attempts = claim(ids[:2])
    actions.pause(operation.pk, "ada")
    assert claim(ids) == []
    sweep()
    answered(attempts)
    assert progress(operation.pk).operation.note == "paused by ada"
    actions.resume(operation.pk)
    answered(claim(ids))
    advance_all()
    assert state(operation) == "COMPLETED"


def test_a_retry_that_falls_due_in_a_pause_is_held(transactional_db: None) -> None:
    bulk.clients(1, ledger.node())
    operation = started()
    (attempt,) = claimed(operation)
    actions.pause(operation.pk)
    ledger.hurry(attempt)
    sweep()
    assert ledger.row(attempt).state == State.QUEUED
    ledger.hurry(attempt)
    sweep()
    assert claimed(operation) == []
    actions.resume(operation.pk)
    assert len(claimed(operation)) == 1


def test_cancel_ends_what_waits_and_awaits_what_was_sent(transactional_db: None) -> None:
    bulk.clients(4, ledger.node())
    operation = started()
    ids = [row.id for row in rows(operation)]
    acked, silent = claim(ids[:2])
    actions.cancel(operation.pk, "ada")
    assert counts(operation) == {"SENT": 2, "CANCELED": 2}
    assert state(operation) == "STOPPING"
    answered([acked])
    ledger.hurry(silent)
    sweep()
    advance_all()
    assert (state(operation), counts(operation)) == ("CANCELED", {"SUCCEEDED": 1, "CANCELED": 3})
    assert "outcome unknown" in ledger.row(silent).reason
    ledger.check(rows(operation))


def test_only_what_failed_is_retried_as_a_child(transactional_db: None) -> None:
    here, there = ledger.node(), ledger.node()
    bulk.clients(3, here)
    (away,) = bulk.clients(1, None)
    operation = started("sync_wallets")
    good, bad, refused = claimed(operation)
    answered([good])
    answered([bad], "Boom")
    answered([refused], "Rejected")
    with pytest.raises(OperationConflict):
        actions.retry(operation.pk)
    advance_all()
    Client.objects.filter(pk=away.pk).update(node=there)
    child = actions.retry(operation.pk, principal="ada")
    assert (child.parent_id, child.command, child.principal) == (operation.pk, "sync_wallets", "ada")
    assert {row.client_id for row in rows(child)} == {bad.client_id, away.pk}
    other = actions.retry(operation.pk, ["REJECTED"])
    assert {row.client_id for row in rows(other)} == {refused.client_id}
    with pytest.raises(InvalidParameters):
        actions.retry(operation.pk, ["SUCCEEDED"])


def test_verbs_fit_states(node: StreamNode) -> None:
    bulk.clients(1, node)
    operation = started()
    for verb in (actions.resume, actions.step):
        with pytest.raises(OperationConflict):
            verb(operation.pk)
    actions.pause(operation.pk)
    for verb in (actions.pause, actions.step):
        with pytest.raises(OperationConflict):
            verb(operation.pk)
    actions.cancel(operation.pk)
    for verb in (actions.pause, actions.resume, actions.cancel):
        with pytest.raises(OperationConflict):
            verb(operation.pk)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"window": 0}, "window"),
        ({"window": True}, "window"),
        ({"rate": float("nan")}, "rate"),
        ({"waves": ["0%"]}, "waves"),
        ({"waves": "5"}, "waves"),
        ({"gate": 1.5}, "gate"),
        ({"abort": {"SUCCEEDED": 1}}, "abort"),
        ({"offline": "wait"}, "offline"),
        ({"timeout": 1000}, "timeout"),
        ({"speed": 1}, "speed"),
    ],
)
def test_a_policy_names_what_is_wrong(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        Policy.parse(values)
    assert list(refused.value.errors) == [f"policy.{field}"]


def test_a_policy_survives_json() -> None:
    policy = Policy.parse({"window": 5, "waves": [1, "10%"], "abort": {"FAILED": "5%"}, "offline": "queue"})
    assert Policy.parse(policy.as_json) == policy
    assert Policy().as_json == {}
    assert policy.sizes(100) == [1, 10, 89]
    assert policy.sizes(1) == [1]
