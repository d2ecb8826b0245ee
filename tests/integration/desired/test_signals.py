"""What others are told: after the commit, once, and nothing of what was rolled back."""

import importlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from crypto import signals
from crypto.models import Client, CommandLog, Source, StreamNode
from crypto.services.desired.standing_orders import start
from crypto.services.fleet.presence import Departure, depart, expire_dead_nodes
from crypto.services.ledger.cancel import cancel
from crypto.services.ledger.issue import command
from crypto.services.ledger.settle import record_acks
from crypto.services.operations.rollout import advance_all
from crypto.services.operations.start import OperationRequest
from tests.examples import error_rate
from tests.integration.desired.test_standing_orders import come
from tests.support import ledger

pytestmark = pytest.mark.django_db(transaction=True)


class Harm(Exception):
    pass


def test_a_command_ends_once_and_after_the_commit(node: StreamNode, heard: Any) -> None:
    calls = heard(signals.command_finished)
    attempt = ledger.sent(come(node))
    ack = ledger.ack(attempt)

    with transaction.atomic():
        record_acks([ack])
        transaction.set_rollback(True)
    assert calls == []
    with transaction.atomic():
        record_acks([ack])
        assert calls == []
    record_acks([ack])

    assert calls == [{"commands": [attempt.id]}]


def test_an_operation_ends_once(node: StreamNode, heard: Any) -> None:
    calls = heard(signals.operation_finished)
    come(node)
    operation = start(OperationRequest(command=command("ping")))
    cancel([row.pk for row in CommandLog.objects.all()], "ann")

    advance_all()
    advance_all()

    assert calls == [{"operation": operation.pk}]


def test_a_client_comes_and_goes(node: StreamNode, heard: Any) -> None:
    connected, ready = heard(signals.client_connected), heard(signals.client_ready)
    disconnected = heard(signals.client_disconnected)

    client = come(node)
    assert connected == ready == [{"client_ids": [client.pk]}]

    with transaction.atomic():
        depart([Departure(client.pk, client.session_epoch)])
        depart([Departure(client.pk, client.session_epoch - 1)])
        assert disconnected == []
    assert disconnected == [{"client_ids": [client.pk]}]


def test_a_node_that_died_is_told_of_once(node: StreamNode, heard: Any) -> None:
    calls = heard(signals.client_disconnected)
    client = come(node)
    assert expire_dead_nodes() == 0

    StreamNode.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    assert (expire_dead_nodes(), expire_dead_nodes()) == (1, 0)
    assert calls == [{"client_ids": [client.pk]}]
    assert Client.objects.get().disconnected_at is not None
    back = come(ledger.node("127.0.0.1:2"), client)
    assert back.is_connected
    assert expire_dead_nodes() == 0


def test_a_receiver_that_raises_harms_nobody(node: StreamNode, heard: Any) -> None:
    def raises(**kwargs: Any) -> None:
        raise Harm

    signals.command_finished.connect(raises)
    try:
        calls = heard(signals.command_finished)
        record_acks([ledger.ack(ledger.sent(come(node)))])
    finally:
        signals.command_finished.disconnect(raises)

    assert len(calls) == 1


@pytest.fixture
def example() -> Iterator[None]:
    """The receiver of docs/signals.md, connected as importing it connects it."""
    importlib.reload(error_rate)
    yield
    signals.command_finished.disconnect(error_rate.pause_who_fails)


def test_the_example_pauses_a_client_whose_commands_fail(node: StreamNode, example: None) -> None:
    failing, good = come(node), come(node)

    def fail(times: int) -> None:
        for _ in range(times):
            record_acks([ledger.ack(ledger.sent(failing), "OSError")])
            record_acks([ledger.ack(ledger.sent(good))])

    fail(error_rate.TOO_MANY - 1)
    assert not CommandLog.objects.filter(command="pause").exists()
    fail(3)

    pause = CommandLog.objects.get(command="pause")
    assert (pause.client_id, pause.source, pause.principal) == (failing.pk, Source.SIGNAL, "error rate")
