"""What autoscaling looks at, and that a second worker makes a difference."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from time import monotonic

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client as Browser
from django.utils import timezone

from crypto.models import Client, CommandLog, State, WorkerBeat
from crypto.services.fleet.lane_load import lane_loads
from crypto.services.ledger.issue import CommandRequest, command, issue
from tests.integration.operations.plant import Plant
from tests.support.processes import wait_until
from tests.support.services import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)

WINDOW = 10
SLOW_MS = 300


def queue(client: Client, name: str = "ping", **options: object) -> CommandLog:
    return issue(CommandRequest(client_id=client.pk, command=command(name), **options))  # type: ignore[arg-type]


def test_loads_count_what_a_worker_could_do() -> None:
    client = Client.objects.create(name="absent")
    old = queue(client)
    CommandLog.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(minutes=2))
    queue(client)
    queue(client, offline="queue")
    retrying = queue(client)
    later = timezone.now() + timedelta(minutes=1)
    CommandLog.objects.filter(pk=retrying.pk).update(retry_at=later, due_at=later)
    sent = queue(client, "sync_wallets")
    CommandLog.objects.filter(pk=sent.pk).update(state=State.SENT)
    now = timezone.now()
    WorkerBeat.objects.create(process="a", lanes=["default", "sync"], started_at=now, seen_at=now)
    WorkerBeat.objects.create(
        process="gone", lanes=["default"], started_at=now, seen_at=now - timedelta(hours=1)
    )

    loads = {load.lane: load for load in lane_loads()}
    assert list(loads) == ["urgent", "default", "bulk", "sync"]
    assert (loads["default"].waiting, loads["default"].in_flight, loads["default"].workers) == (2, 0, 1)
    assert 120 <= loads["default"].oldest_seconds < 240
    assert (loads["sync"].waiting, loads["sync"].in_flight, loads["sync"].workers) == (0, 1, 1)
    assert (loads["urgent"].waiting, loads["urgent"].oldest_seconds) == (0, 0)

    page = Browser().get("/metrics").content.decode()
    assert 'crypto_lane_waiting{lane="default"} 2.0' in page
    assert 'crypto_lane_in_flight{lane="sync"} 1.0' in page
    assert "crypto_clients_connected 0.0" in page
    assert "python_info" in page

    out = StringIO()
    call_command("lanes", json=True, stdout=out)
    assert json.loads(out.getvalue())[1]["waiting"] == 2


@pytest.mark.slow
def test_a_second_worker_in_mid_backlog_raises_the_rate(redis_server: RedisServer, tmp_path: Path) -> None:
    """Each worker may have WINDOW commands on the wire and each client takes SLOW_MS: the wire is the bottleneck."""
    with Plant(redis_server, tmp_path) as plant:
        plant.env["WORKER_WINDOW"] = str(WINDOW)
        plant.fleet(40, "--slow-ms", str(SLOW_MS))
        clients = list(Client.objects.all())
        with transaction.atomic():
            for number in range(2_500):
                queue(clients[number % len(clients)])
        plant.worker("default")
        alone = rate(upto=100)
        plant.worker("default")
        assert rate(upto=done() + 150) > 1.3 * alone
        assert max(load.workers for load in lane_loads()) == 2


def done() -> int:
    return CommandLog.objects.filter(state=State.SUCCEEDED).count()


def rate(upto: int) -> float:
    """Commands per second from now until so many are done."""
    wait_until(lambda: done() > 0, 60, "the first ack")
    before, start = done(), monotonic()
    wait_until(lambda: done() >= upto, 60, f"{upto} acks")
    return (done() - before) / (monotonic() - start)
