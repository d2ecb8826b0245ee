"""Who is to stay paused stays paused: the absent, the late-comers, and whoever was told to sync meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from crypto.exceptions import InvalidParameters
from crypto.models import (
    Cause,
    Client,
    CommandLog,
    Offline,
    Operation,
    Source,
    StandingOrder,
    State,
    StreamNode,
)
from crypto.services.desired import enforcement, standing_orders
from crypto.services.desired.standing_orders import start
from crypto.services.fleet.presence import Arrival, Status, arrive, enqueue_waiting, update_status
from crypto.services.ledger.attempt import Attempt, Result
from crypto.services.ledger.claim import claim
from crypto.services.ledger.issue import CommandRequest, command
from crypto.services.ledger.issue_inline import insert
from crypto.services.ledger.settle import record_acks
from crypto.services.operations.start import OperationRequest
from crypto.signals import client_diverged
from tests.support import ledger
from tests.support.ledger import queued, row

pytestmark = pytest.mark.django_db(transaction=True)

EVERYBODY = {"all": True}


def bulk(name: str, selector: Any = None, **options: Any) -> Operation:
    """`pause_all` and its like."""
    return start(
        OperationRequest(command=command(name), selector=selector or EVERYBODY, principal="ann", **options)
    )


def come(node: StreamNode, client: Client | None = None) -> Client:
    """A client connects, and can be sent commands."""
    pk = client.pk if client else uuid4()
    with transaction.atomic():
        arrive([Arrival(pk, node.pk, "n", "spot", "1.0", "", ["journal"], "", 0)])
    with transaction.atomic():
        enqueue_waiting([pk])
    return Client.objects.get(pk=pk)


def report(client: Client, status: str) -> None:
    with transaction.atomic():
        update_status([Status(client.pk, status, "")])


def open_commands(of: Client) -> list[str]:
    rows = CommandLog.objects.open().filter(client=of).order_by("created_at")
    return list(rows.values_list("command", flat=True))


def inline(of: Client, name: str) -> Attempt | Result:
    (outcome,) = insert([CommandRequest(client_id=of.pk, command=command(name))])
    assert isinstance(outcome, Attempt | Result)
    return outcome


def test_who_was_away_is_paused_when_it_is_back(node: StreamNode) -> None:
    away = ledger.client()
    bulk("pause", reason="audit")

    back = come(node, away)

    (told,) = CommandLog.objects.open().filter(client=back)
    assert (told.command, told.source, told.params) == ("pause", Source.SIGNAL, {"reason": "audit"})
    assert told.principal.startswith("standing order")


def test_who_joins_later_is_paused_before_it_may_sync(node: StreamNode) -> None:
    bulk("pause")

    new = come(node)

    assert open_commands(new) == ["pause"]
    refused = inline(new, "sync_wallets")
    assert isinstance(refused, Result)
    assert (refused.state, refused.why) == (State.REJECTED, Cause.STANDING_ORDER.label)
    assert isinstance(inline(new, "ping"), Attempt)


def test_a_queued_sync_is_held_and_goes_once_the_order_is_lifted(node: StreamNode) -> None:
    client = come(node)
    waiting = queued(client, "sync_wallets", offline=Offline.QUEUE)
    refused = queued(client, "sync_wallets", {"symbols": ["BTC"]})
    bulk("pause")

    assert claim([waiting.pk, refused.pk]) == []
    assert (row(waiting).state, row(waiting).reason) == (State.QUEUED, Cause.STANDING_ORDER.label)
    assert (row(refused).state, row(refused).reason) == (State.REJECTED, Cause.STANDING_ORDER.label)

    bulk("resume")
    assert [attempt.id for attempt in claim([waiting.pk])] == [waiting.pk]


def test_a_bulk_sync_says_whom_it_skips_and_why(node: StreamNode) -> None:
    paused, free = come(node), come(node)
    standing_orders.create({"ids": [str(paused.pk)]}, source=Source.CLI, principal="ann", reason="")

    sync = bulk("sync_wallets")

    assert (
        CommandLog.objects.get(operation=sync, client=paused).reason
        == f"skipped: {Cause.STANDING_ORDER.label}"
    )
    assert CommandLog.objects.get(operation=sync, client=free).state == State.QUEUED


def test_resume_all_lifts_it_also_for_who_is_away(node: StreamNode) -> None:
    away, present = ledger.client(), come(node)
    bulk("pause")
    bulk("resume")

    order = StandingOrder.objects.get()
    assert order.lifted_by == "ann"
    assert not Client.objects.filter(paused_by__isnull=False).exists()
    assert isinstance(inline(present, "sync_wallets"), Attempt)
    assert open_commands(come(node, away)) == ["resume"]
    assert open_commands(come(node)) == []


def test_who_is_resumed_by_name_is_an_exception_until_the_next_order(node: StreamNode) -> None:
    client = come(node)
    bulk("pause")

    inline(client, "resume")

    assert isinstance(inline(client, "sync_wallets"), Attempt)
    enforcement.reconcile()
    client = come(node, client)
    assert not CommandLog.objects.filter(principal__startswith="standing order").exists()
    bulk("pause")
    assert isinstance(inline(client, "sync_wallets"), Result)


def test_a_resume_from_before_the_order_does_not_get_through(node: StreamNode) -> None:
    away = ledger.client()
    old = queued(away, "resume", offline=Offline.QUEUE)
    bulk("pause")

    come(node, away)
    claim([old.pk])

    assert row(old).state in (State.REJECTED, State.SUPERSEDED)


def test_by_label_with_members_that_change(node: StreamNode) -> None:
    client = come(node)
    standing_orders.create({"labels": {"region": "eu"}}, source=Source.CLI, principal="ann", reason="")
    assert isinstance(inline(client, "sync_wallets"), Attempt)

    client.labels = {"region": "eu"}
    client.save()
    assert isinstance(inline(client, "sync_wallets"), Result)
    enforcement.reconcile()
    assert "pause" in open_commands(client)

    Client.objects.update(labels={})
    enforcement.reconcile()
    assert isinstance(inline(client, "sync_wallets"), Attempt)


def test_one_of_two_orders_lifted_frees_nobody_whom_the_other_concerns(node: StreamNode) -> None:
    client = come(node)
    standing_orders.create({"type": "spot"}, source=Source.CLI, principal="ann", reason="")
    bulk("pause")
    first, second = StandingOrder.objects.order_by("pk")

    assert standing_orders.revoke(first, source=Source.CLI, principal="ann") == []
    assert isinstance(inline(client, "sync_wallets"), Result)
    (resumed,) = standing_orders.revoke(second, source=Source.CLI, principal="ann")
    assert resumed.targets == 1


@pytest.mark.parametrize(
    "selector", [{"connected": True}, {"or": [{"all": True}, {"not": {"status": "ACTIVE"}}]}]
)
def test_an_order_by_what_changes_all_the_time_is_refused(db: None, selector: Any) -> None:
    with pytest.raises(InvalidParameters, match="selector"):
        standing_orders.create(selector, source=Source.CLI, principal="ann", reason="")
    assert not Operation.objects.exists()


def test_a_pause_that_got_lost_is_sent_again(node: StreamNode) -> None:
    bulk("pause")
    client = come(node)
    CommandLog.objects.filter(client=client).update(
        state=State.TIMED_OUT, due_at=None, created_at=client.created_at - 2 * enforcement.AGAIN
    )

    enforcement.reconcile()
    enforcement.reconcile()

    assert open_commands(client) == ["pause"]


def test_claims_and_inserts_cost_no_query_more(node: StreamNode) -> None:
    def cost() -> tuple[int, int]:
        rows = [queued(client) for client in clients]
        with CaptureQueriesContext(connection) as claiming:
            assert len(claim([each.pk for each in rows])) == len(rows)
        with CaptureQueriesContext(connection) as inserting:
            insert([CommandRequest(client_id=c.pk, command=command("ping")) for c in clients])
        return len(claiming), len(inserting)

    clients = [come(node) for _ in range(10)]
    before = cost()
    standing_orders.create({"type": "futures"}, source=Source.CLI, principal="ann", reason="")

    assert cost() == before
    assert before[0] < 10
    assert before[1] < 10


def test_a_paused_client_that_reports_active_has_diverged(node: StreamNode, heard: Any) -> None:
    calls = heard(client_diverged)
    client = come(node)
    record_acks([ledger.ack(ledger.sent(client, "pause"), status="PAUSED")])
    Client.objects.update(expected_at=client.created_at - enforcement.CONTRADICTION)
    assert enforcement.detect_divergence() == 0

    report(client, "ACTIVE")
    assert (enforcement.detect_divergence(), enforcement.detect_divergence()) == (1, 0)

    assert Client.objects.get().diverged_at is not None
    assert calls == [{"client_ids": [client.pk]}]
    report(client, "PAUSED")
    enforcement.detect_divergence()
    assert Client.objects.get().diverged_at is None


def test_acks_report_too(node: StreamNode) -> None:
    client = come(node)
    record_acks([ledger.ack(ledger.sent(client, "pause"), status="ACTIVE")])
    Client.objects.update(expected_at=client.created_at - enforcement.CONTRADICTION)
    Client.objects.update(status_at=client.created_at - enforcement.CONTRADICTION)
    assert enforcement.detect_divergence() == 0

    record_acks([ledger.ack(ledger.sent(client, "ping"), status="ACTIVE")])

    assert enforcement.detect_divergence() == 1


def test_a_resume_is_no_divergence(node: StreamNode) -> None:
    client = come(node)
    record_acks([ledger.ack(ledger.sent(client, "pause"), status="PAUSED")])
    Client.objects.update(expected_at=client.created_at - enforcement.CONTRADICTION)
    attempt = ledger.sent(client, "resume")
    Client.objects.update(status="ACTIVE", status_at=client.created_at)

    assert enforcement.detect_divergence() == 0
    record_acks([ledger.ack(attempt, status="ACTIVE")])
    assert enforcement.detect_divergence() == 0


def test_rest_and_admin(node: StreamNode, client: Browser) -> None:
    root = User.objects.create_superuser("root", password="root")
    api = APIClient()
    api.force_authenticate(root)
    member = come(node)

    given = api.post("/api/crypto/standing-orders/", {"selector": {"type": "spot"}, "reason": "audit"})
    assert (given.status_code, given.json()["clients"]) == (201, 1)
    shown = api.get(f"/api/crypto/commands/{member.pk}/").json()
    assert (shown["paused_by"], shown["diverged_at"]) == (given.json()["id"], None)
    assert api.get("/api/crypto/commands/?standing=true").json()["count"] == 1
    assert api.get("/api/crypto/commands/?diverged=true").json()["count"] == 0
    bad = api.post("/api/crypto/standing-orders/", {"selector": {"connected": True}})
    assert (bad.status_code, list(bad.json()["error"]["fields"])) == (400, ["selector.connected"])
    lifted = api.post(f"/api/crypto/standing-orders/{given.json()['id']}/lift/")
    assert (lifted.status_code, lifted.json()["lifted_by"]) == (200, "root")

    api.post("/api/crypto/standing-orders/", {"selector": EVERYBODY})
    client.force_login(root)
    page = reverse("admin:crypto_standingorder_changelist")
    assert client.get(page).status_code == 200
    chosen = StandingOrder.objects.get(lifted_at=None).pk
    client.post(page, {"action": "lift_selected", "_selected_action": [chosen]})
    assert not StandingOrder.objects.filter(lifted_at=None).exists()


def test_who_may_not_pause_may_give_no_order(db: None) -> None:
    api = APIClient()
    api.force_authenticate(User.objects.create_user("ann"))

    assert api.post("/api/crypto/standing-orders/", {"selector": EVERYBODY}).status_code == 403
    assert not StandingOrder.objects.exists()


def test_each_of_two_callers_gets_the_order_that_it_gave(node: StreamNode) -> None:
    come(node)
    for _ in range(10):
        both = Barrier(2)

        def give(name: str, both: Barrier = both) -> StandingOrder:
            both.wait()
            try:
                return standing_orders.create(EVERYBODY, source=Source.REST, principal=name, reason="")[0]
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            given = list(pool.map(give, ("ann", "bob")))
        assert [order.principal for order in given] == ["ann", "bob"]


def test_a_pause_of_everybody_that_is_repeated_under_its_key_gives_no_second_order(node: StreamNode) -> None:
    client = come(node)
    first = bulk("pause", dedupe_key="once")
    bulk("resume")
    assert bulk("pause", dedupe_key="once") == first
    assert not StandingOrder.objects.filter(lifted_at=None).exists()
    client.refresh_from_db()
    assert client.paused_by is None
