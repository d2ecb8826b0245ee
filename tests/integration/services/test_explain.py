"""Each reason why a command is not done has its sentence, which names what would unblock it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crypto.commands import Failure
from crypto.models import Client, CommandLog, Offline, Operation, State, StreamNode, WorkerBeat
from crypto.services.fleet.explain import ENDED, explain
from crypto.services.fleet.worker_heartbeat import Heartbeat
from crypto.services.ledger.cancel import cancel
from crypto.services.ledger.settle import FailedAttempt, record_acks, record_failures
from crypto.services.process import process_name
from tests.support import ledger
from tests.support.ledger import ack, hurry, queued, row, sent

MINUTE = timedelta(minutes=1)


@pytest.fixture
def worker(db: None) -> WorkerBeat:
    """One that takes everything."""
    now = timezone.now()
    lanes = ["urgent", "default", "bulk", "sync"]
    return WorkerBeat.objects.create(process="worker@host:1", lanes=lanes, started_at=now, seen_at=now)


def explained(command: CommandLog, cause: str, *fragments: str) -> None:
    explanation = explain(row(command))
    assert explanation.cause == cause, explanation
    assert all(fragment in explanation.sentence for fragment in fragments), explanation
    assert explanation.sentence.endswith(".")


def test_offline_and_waiting(absent: Client, node: StreamNode) -> None:
    command = queued(absent, offline=Offline.QUEUE)
    explained(
        command, "offline", "never been connected", "leaves when the client connects", "until it expires"
    )
    Client.objects.update(connected_at=timezone.now(), disconnected_at=timezone.now() - 5 * MINUTE)
    explained(command, "offline", "(5 min)")


def test_offline_and_about_to_fail(absent: Client, node: StreamNode) -> None:
    explained(queued(absent), "offline", "it ends unless the client connects within attempt 3")


def test_on_a_node_that_died(present: Client, node: StreamNode) -> None:
    ledger.node("127.0.0.1:2")
    StreamNode.objects.filter(pk=node.pk).update(lease_until=timezone.now() - 3 * MINUTE)
    explained(queued(present), "offline", "since its node 127.0.0.1:1 was last heard of, 3 min ago")


def test_no_live_node(present: Client, node: StreamNode) -> None:
    StreamNode.objects.update(lease_until=timezone.now() - 2 * MINUTE)
    explained(queued(present), "no_node", "no live streaming node for 2 min", "rungrpc")


def test_a_retry(present: Client, worker: WorkerBeat) -> None:
    attempt = sent(present)
    record_failures(
        [FailedAttempt(attempt.id, attempt.claim, Failure.NOT_HANDED_OVER, "the node takes nothing")]
    )
    CommandLog.objects.update(retry_at=timezone.now() + MINUTE)
    explained(row(attempt), "retry", "attempt 2 of 3 at", "the node takes nothing")


def test_behind_another_of_its_class(present: Client, worker: WorkerBeat) -> None:
    first = sent(present, "pause")
    second = queued(present, "resume")
    explained(second, "behind", f"pause {first.id}", "'state'")
    third = sent(present, "resume")
    explained(row(third), "behind", str(first.id))
    explained(row(first), "unacked")


def test_no_worker_on_its_lane(present: Client, worker: WorkerBeat) -> None:
    WorkerBeat.objects.update(lanes=["urgent"])
    explained(queued(present), "no_worker", "'default' within a day", "rundramatiq")
    WorkerBeat.objects.update(lanes=["default"], seen_at=timezone.now() - timedelta(seconds=40))
    explained(queued(present), "no_worker", "'default' for 40 s")


def test_a_worker_s_beat(transactional_db: None) -> None:
    present = ledger.client(ledger.node())
    beat = Heartbeat({"default"})
    beat.start()
    while not WorkerBeat.objects.exists():
        pass
    explained(queued(present), "backlog")
    beat.end()
    explained(queued(present), "no_worker")


def test_a_backlog(present: Client, worker: WorkerBeat) -> None:
    queued(present)
    explained(queued(present), "backlog", "with 1 issued before it")


def test_expired(present: Client) -> None:
    command = queued(present)
    CommandLog.objects.update(expires_at=timezone.now() - 2 * MINUTE)
    explained(command, "expired", "2 min ago")


def test_another_identity(node: StreamNode) -> None:
    client = ledger.client(node, identity_epoch="old")
    command = queued(client)
    Client.objects.update(identity_epoch="new")
    explained(command, "identity", "provisioned anew")


def test_held_by_its_operation(present: Client) -> None:
    operation = Operation.objects.create(
        command="ping", selector={}, snapshot="", targets=1, waves=3, source="rest", lane="bulk", note="gate"
    )
    command = queued(present)
    CommandLog.objects.update(operation=operation, wave=2, held=True)
    explained(command, "held", str(operation.pk), "(gate)", "wave 2 of 3")


def test_a_requested_cancelation(present: Client) -> None:
    attempt = sent(present)
    cancel([attempt.id])
    explained(row(attempt), "canceling", "an ack in time still counts")


def test_the_lease_of_a_worker_that_is_gone(present: Client, worker: WorkerBeat) -> None:
    attempt = sent(present)
    explained(row(attempt), "unacked")
    WorkerBeat.objects.update(process=process_name(), seen_at=timezone.now() - MINUTE)
    explained(row(attempt), "abandoned", process_name(), "its lease ends by")
    WorkerBeat.objects.all().delete()
    hurry(attempt)
    explained(row(attempt), "abandoned", "the next sweep settles it")


def test_offline_after_it_was_sent(present: Client) -> None:
    attempt = sent(present)
    Client.objects.update(node=None)
    explained(row(attempt), "offline", "It was sent", "the outcome is unknown")


def test_not_acked_yet(present: Client) -> None:
    explained(row(sent(present)), "unacked", "attempt 1 of 3", "it has 5 s")


def test_every_end_is_explained(present: Client) -> None:
    attempt = sent(present)
    record_acks([ack(attempt, "Boom", message="disk full")])
    explained(row(attempt), "failed", "Boom: disk full")
    for state in ENDED:
        CommandLog.objects.update(state=state, due_at=None)
        explained(row(attempt), state.lower())
    assert set(ENDED) == set(State) - {State.QUEUED, State.SENT}


def test_void(absent: Client) -> None:
    older = queued(absent, "pause", offline=Offline.QUEUE)
    newer = queued(absent, "resume", offline=Offline.QUEUE)
    explained(older, "superseded", str(newer.id))
