"""Nothing stays open past its deadline, and a lost ring costs seconds."""

from datetime import timedelta

import dramatiq
import pytest
from django.utils import timezone

from crypto.models import Client, CommandLog, Offline, State
from crypto.services.ledger import sweep as sweeping
from crypto.services.ledger.claim import claim
from crypto.services.ledger.settle import record_acks
from crypto.services.ledger.sweep import sweep
from tests.support.ledger import ack, hurry, queued, row, sent, states


def enqueued(broker: dramatiq.Broker, lane: str = "default") -> list[str]:
    bodies = list(broker.queues[lane].queue)
    return [id for body in bodies for id in dramatiq.Message.decode(body).args[0]]


def test_what_nobody_answered_for_is_rung_for_again(present: Client, broker: dramatiq.Broker) -> None:
    command = queued(present)
    assert sweep().enqueued == 0, "its ring is not overdue yet"
    hurry(command)
    assert sweep().enqueued == 1
    assert enqueued(broker) == [str(command.id)]
    assert sweep().enqueued == 0, "the backlog has its time"
    assert len(claim([command.id])) == 1


def test_each_lane_is_rung_for(present: Client, broker: dramatiq.Broker) -> None:
    ping, sync = queued(present), queued(present, "sync_wallets")
    hurry(ping, sync)
    sweep()
    assert (enqueued(broker), enqueued(broker, "sync")) == ([str(ping.id)], [str(sync.id)])


def test_what_is_held_is_not_rung_for(present: Client, broker: dramatiq.Broker) -> None:
    command = queued(present)
    CommandLog.objects.update(held=True)
    hurry(command)
    assert sweep().enqueued == 0
    assert claim([command.id]) == []


def test_a_worker_that_died_is_found_out(present: Client) -> None:
    attempt = sent(present)
    hurry(attempt)
    assert sweep().timed_out == 1
    after = row(attempt)
    assert (after.state, after.seen, after.claim) == (State.QUEUED, True, None)
    assert "no word from the worker" in after.reason


def test_a_message_that_kills_its_worker_is_not_tried_for_ever(present: Client) -> None:
    command = queued(present)
    for _ in range(command.max_attempts):
        assert row(command).state == State.QUEUED
        hurry(command)
        assert len(claim([command.id])) == 1
        hurry(command)
        sweep()
    assert row(command).state == State.TIMED_OUT
    assert states(command).count("SENT") == command.max_attempts


@pytest.mark.parametrize("held", [False, True])
def test_what_is_too_late_ends_without_a_worker(absent: Client, held: bool) -> None:
    command = queued(absent, offline=Offline.QUEUE)
    CommandLog.objects.update(expires_at=timezone.now(), held=held)
    sweep()
    assert row(command).state == State.EXPIRED


def test_an_attempt_under_way_is_left_alone(present: Client) -> None:
    attempt = sent(present)
    CommandLog.objects.update(expires_at=timezone.now())
    sweep()
    assert row(attempt).state == State.SENT
    assert record_acks([ack(attempt)]) == [True]


def test_every_batch_has_its_turn(
    present: Client, broker: dramatiq.Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 3)
    commands = [queued(present) for _ in range(7)]
    attempts = [sent(present) for _ in range(7)]
    late = [queued(present) for _ in range(7)]
    CommandLog.objects.filter(pk__in=[c.pk for c in late]).update(expires_at=timezone.now())
    hurry(*commands, *attempts)
    assert (sweep().enqueued, len(enqueued(broker))) == (7, 7)
    assert CommandLog.objects.filter(state=State.EXPIRED).count() == 7
    assert not CommandLog.objects.filter(state=State.SENT).exists()


@pytest.mark.usefixtures("transactional_db")
def test_a_constraint_refuses_open_rows_without_a_deadline(present: Client) -> None:
    command = queued(present)
    with pytest.raises(Exception, match="open_rows_have_a_deadline"):
        CommandLog.objects.filter(pk=command.pk).update(due_at=None)


def test_a_ring_that_the_broker_refused_is_tried_in_the_next_pass(
    present: Client, broker: dramatiq.Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = queued(present)
    hurry(command)
    with monkeypatch.context() as down:
        down.setattr(sweeping, "enqueue", lambda rows: False)
        assert sweep().enqueued == 0
    due_at = row(command).due_at
    assert due_at is not None
    assert due_at <= timezone.now() + timedelta()
    assert sweep().enqueued == 1
