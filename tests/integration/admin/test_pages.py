"""Every page of the admin opens, with rows in it, and nothing that services own can be changed there."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Model
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crypto.commands.pause import Pause
from crypto.models import Client, ClientError, ClientLog, CommandLog, StreamNode, Transaction, Wallet
from crypto.services.ledger import issue

pytestmark = pytest.mark.django_db(transaction=True)

OURS = (Client, CommandLog, Wallet, Transaction, ClientError, ClientLog, StreamNode)


@pytest.fixture
def browser() -> Browser:
    browser = Browser()
    browser.force_login(get_user_model().objects.create_superuser("root", password="root"))
    return browser


def make(number: int) -> dict[type[Model], Model]:
    """One row of each model, all of one client."""
    now = timezone.now()
    node = StreamNode.objects.create(
        id=uuid4(), address=f"10.0.0.{number}:50051", started_at=now, lease_until=now + timedelta(minutes=1)
    )
    client = Client.objects.create(name=f"client {number}", node=node, last_seen=now)
    log = issue.issue(
        issue.CommandRequest(client_id=client.pk, command=Pause(reason=f"<script>{number}</script>"))
    )
    times = {"reported_at": now, "received_at": now}
    wallet = {"available": "12.500000000000000000", "last_sync": now, "updated_at": now}
    return {
        StreamNode: node,
        Client: client,
        CommandLog: log,
        Wallet: Wallet.objects.create(client=client, wallet_id="w", symbol="ETH", **wallet),
        Transaction: Transaction.objects.create(
            client=client, transaction_id="t", type="deposit", symbol="ETH", amount="1.5", reported_at=now
        ),
        ClientError: ClientError.objects.create(
            client=client, message="<b>boom</b>", severity="high", **times
        ),
        ClientLog: ClientLog.objects.create(client=client, message="hello", level="info", **times),
    }


def url(model: type[Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", OURS)
def test_list_and_detail_open_and_are_read_only(browser: Browser, model: type[Model]) -> None:
    row = make(1)[model]
    assert browser.get(url(model, "changelist")).status_code == 200
    detail = browser.get(url(model, "change", row.pk))
    assert detail.status_code == 200
    assert b"<script>1" not in detail.content
    assert b"<b>boom" not in detail.content
    assert browser.get(url(model, "add")).status_code == 403
    assert browser.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    written = browser.post(url(model, "change", row.pk), {"name": "other", "labels": "{}"})
    assert written.status_code == (302 if model is Client else 403)  # a client's labels are people's to write
    assert not model._default_manager.filter(
        **{"name": "other"} if model is Client else {"pk": None}
    ).exists()


@pytest.mark.parametrize("model", OURS)
def test_a_longer_list_costs_no_more_queries(browser: Browser, model: type[Model]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(url(model, "changelist")).status_code == 200
        return len(captured)

    make(1)
    queries()  # warms content types and the like
    few = queries()
    for number in range(2, 8):
        make(number)
    assert queries() <= few


@pytest.mark.parametrize(
    ("query", "found"), [("connected=yes", 1), ("connected=no", 0), ("q=client+1", 1), ("q=x", 0)]
)
def test_clients_are_found(browser: Browser, query: str, found: int) -> None:
    make(1)
    answer = browser.get(f"{url(Client, 'changelist')}?{query}")
    assert answer.context["cl"].result_count == found


def test_the_timeline_tells_every_step(browser: Browser) -> None:
    log = make(1)[CommandLog]
    page = browser.get(url(CommandLog, "change", log.pk)).content.decode()
    assert "<b>queued</b> issued" in page


@pytest.mark.parametrize(
    "address",
    [
        lambda: "/admin/",
        *(
            lambda name=name: reverse(f"admin:{name}_changelist")
            for name in ("auth_user", "auth_group", "authtoken_tokenproxy")
        ),
    ],
)
def test_accounts_and_the_index_open(browser: Browser, address: Callable[[], str]) -> None:
    answer = browser.get(address())
    assert answer.status_code == 200
    assert url(CommandLog, "changelist") in answer.content.decode()


def test_the_sidebar_shows_what_the_user_may_see() -> None:
    user = get_user_model().objects.create_user("clerk", password="clerk", is_staff=True)
    browser = Browser()
    browser.force_login(user)
    page = browser.get("/admin/").content.decode()
    assert url(CommandLog, "changelist") not in page
    assert admin.site.is_registered(CommandLog)
