"""What waits for its client leaves in order when it connects, unless it is void by then."""

from datetime import timedelta
from itertools import permutations
from uuid import uuid4

import dramatiq
import pytest
from django.utils import timezone

from crypto.commands import Failure
from crypto.models import Cause, Client, CommandLog, Offline, State, StreamNode
from crypto.services.fleet.presence import Arrival, arrive, enqueue_waiting
from crypto.services.ledger.claim import claim
from crypto.services.ledger.issue import CommandRequest, command, issue
from crypto.services.ledger.queue import REQUEUE_AFTER
from crypto.services.ledger.settle import PARK, FailedAttempt, record_acks, record_failures
from tests.support.ledger import ack, hurry, row, sent, states


def wait_for(client: Client, name: str, **params: object) -> CommandLog:
    return issue(CommandRequest(client_id=client.id, command=command(name, params), offline=Offline.QUEUE))


def connect(client: Client, node: StreamNode, identity_epoch: str = "") -> None:
    arrive([Arrival(client.id, node.id, "", "", "", "", ["update_config"], identity_epoch, 0)])


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_commands_leave_in_order_whoever_is_rung_for_which(
    absent: Client, node: StreamNode, order: tuple[int, ...]
) -> None:
    waiting = [wait_for(absent, name) for name in ("ping", "sync_wallets", "request_status")]
    connect(absent, node)
    attempts = [attempt for at in order for attempt in claim([waiting[at].id])]
    assert [attempt.id for attempt in attempts] == [command.id for command in waiting]


def test_a_client_is_rung_for_in_one_message(
    django_capture_on_commit_callbacks: object, broker: dramatiq.Broker, absent: Client
) -> None:
    waiting = [wait_for(absent, name) for name in ("ping", "sync_wallets", "request_status")]
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        enqueue_waiting([absent.id])
    (message,) = [dramatiq.Message.decode(body) for body in list(broker.queues["default"].queue)]
    assert message.args == ([str(command.id) for command in waiting],)


def test_waiting_uses_up_no_attempts(present: Client) -> None:
    command = wait_for(present, "ping")
    for failure in [Failure.NO_ROUTE, Failure.NOT_HANDED_OVER] * 3:
        hurry(command)
        (attempt,) = claim([command.id])
        assert record_failures([FailedAttempt(attempt.id, attempt.claim, failure, "gone")]) == {
            command.id: State.QUEUED
        }
    assert row(command).attempt == 0


def test_a_client_that_comes_is_not_kept_waiting_for_a_retry(present: Client, node: StreamNode) -> None:
    """Its node had died: what was put off meanwhile leaves when it is back, in order, and soon if the ring is lost."""
    waiting = [wait_for(present, name) for name in ("ping", "sync_wallets")]
    for one in waiting:
        CommandLog.objects.filter(pk=one.pk).update(created_at=timezone.now() - timedelta(minutes=5))
        (attempt,) = claim([one.id])
        record_failures([FailedAttempt(attempt.id, attempt.claim, Failure.NOT_HANDED_OVER, "refused")])
        CommandLog.objects.filter(pk=one.pk).update(retry_at=timezone.now() + PARK)
    assert claim([one.id for one in waiting]) == []
    connect(present, node)
    enqueue_waiting([present.id])
    due = row(waiting[0]).due_at
    assert due is not None
    assert due - timezone.now() <= REQUEUE_AFTER
    assert [attempt.id for attempt in claim([one.id for one in waiting])] == [one.id for one in waiting]


def test_what_has_waited_for_a_moment_is_not_put_off_for_a_minute(present: Client) -> None:
    command = wait_for(present, "ping")
    for _ in range(10):
        hurry(command)
        (attempt,) = claim([command.id])
        record_failures([FailedAttempt(attempt.id, attempt.claim, Failure.NOT_HANDED_OVER, "behind another")])
        due = row(command).due_at
        assert due is not None
        assert due - timezone.now() <= timedelta(seconds=2)


def test_parking_is_no_retry(absent: Client, node: StreamNode) -> None:
    command = wait_for(absent, "ping")
    assert claim([command.id]) == []
    parked = row(command)
    assert parked.due_at is not None
    assert timedelta() < parked.due_at - timezone.now() <= PARK
    connect(absent, node)
    assert len(claim([command.id])) == 1


def test_what_waits_expires(absent: Client) -> None:
    command = wait_for(absent, "ping")
    CommandLog.objects.filter(pk=command.pk).update(expires_at=timezone.now())
    assert claim([command.id]) == []
    assert row(command).state == State.EXPIRED


@pytest.mark.parametrize(("older", "newer"), [("pause", "resume"), ("resume", "pause")])
def test_the_newer_command_voids_the_older(absent: Client, older: str, newer: str) -> None:
    first = wait_for(absent, older)
    second = wait_for(absent, newer)
    voided = row(first)
    assert (voided.state, voided.superseded_by) == (State.SUPERSEDED, second.id)
    assert str(second.id) in voided.reason
    assert row(second).state == State.QUEUED


def test_of_configurations_the_last_is_delivered(absent: Client, node: StreamNode) -> None:
    rows = [wait_for(absent, "update_config", document="{}", version=version) for version in (1, 2, 3)]
    connect(absent, node)
    assert [attempt.id for attempt in claim([command.id for command in rows])] == [rows[2].id]
    assert [row(command).superseded_by for command in rows] == [rows[1].id, rows[2].id, None]


def test_one_client_s_command_voids_nothing_of_another(absent: Client, present: Client) -> None:
    first = wait_for(absent, "pause")
    wait_for(present, "resume")
    assert row(first).state == State.QUEUED


@pytest.mark.parametrize(
    ("failure", "end"), [(Failure.TIMEOUT, State.TIMED_OUT), (Failure.NO_ROUTE, State.SUPERSEDED)]
)
def test_what_is_under_way_is_not_tried_again_once_it_is_void(
    present: Client, failure: Failure, end: State
) -> None:
    attempt = sent(present, "pause")
    newer = wait_for(present, "resume")
    assert row(attempt).state == State.SENT
    assert record_failures([FailedAttempt(attempt.id, attempt.claim, failure, "missed")]) == {attempt.id: end}
    assert str(newer.id) in row(attempt).reason


def test_what_is_under_way_may_still_be_acked_once_it_is_void(present: Client) -> None:
    attempt = sent(present, "pause")
    wait_for(present, "resume")
    assert record_acks([ack(attempt)]) == [True]
    assert states(attempt) == ["QUEUED", "SENT", "SUCCEEDED"]


def test_what_may_have_been_seen_is_void_but_in_doubt(present: Client) -> None:
    attempt = sent(present, "pause")
    record_failures([FailedAttempt(attempt.id, attempt.claim, Failure.TIMEOUT, "no ack")])
    wait_for(present, "resume")
    assert row(attempt).state == State.TIMED_OUT
    assert row(attempt).cause == Cause.SUPERSEDED
    assert row(attempt).reason.endswith("unknown")


def test_a_client_provisioned_anew_gets_nothing_of_what_waited_for_the_old_one(
    absent: Client, node: StreamNode
) -> None:
    connect(absent, node, "first identity")
    Client.objects.filter(pk=absent.pk).update(node=None)
    old = wait_for(absent, "ping")
    connect(absent, node, "second identity")
    new = wait_for(absent, "ping")
    assert [attempt.id for attempt in claim([old.id, new.id])] == [new.id]
    assert row(old).state == State.CANCELED
    assert "provisioned anew" in row(old).reason


def test_what_waits_for_a_client_that_never_said_who_it_is_is_delivered(
    absent: Client, node: StreamNode
) -> None:
    command = wait_for(absent, "ping")
    connect(absent, node, "first identity")
    assert len(claim([command.id])) == 1


def test_a_dead_node_is_no_way_to_a_client(present: Client, node: StreamNode) -> None:
    command = wait_for(present, "ping")
    StreamNode.objects.filter(pk=node.pk).update(lease_until=timezone.now())
    assert claim([command.id]) == []
    assert row(command).state == State.QUEUED


def test_unheard_of_ids_are_passed_over(db: None) -> None:
    assert claim([uuid4()]) == []
