"""Lists: what is in them, how they are filtered, and that their cost does not grow with their rows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from crypto.models import Client, ClientError, ClientLog, CommandLog, Transaction, Wallet
from tests.support import ledger

NOW = timezone.now()


def populate(number: int) -> Client:
    """A client with one row of everything."""
    client = ledger.client(ledger.node(), name=f"client {number}", version="1.0")
    ledger.queued(client, "pause", {"reason": f"number {number}"}, principal="clerk")
    at = NOW + timedelta(seconds=number)
    told: dict[str, Any] = {
        "client": client,
        "message": f"message {number}",
        "reported_at": at,
        "received_at": at,
    }
    ClientError.objects.create(severity="high", traceback="t", **told)
    ClientLog.objects.create(level="info", extra_data="{}", **told)
    Wallet.objects.create(
        client=client,
        wallet_id="w",
        symbol="ETH",
        available="1.000000000000000001",
        last_sync=at,
        updated_at=at,
    )
    Transaction.objects.create(
        client=client, transaction_id="t", type="deposit", symbol="ETH", amount="2.5", reported_at=at
    )
    return client


LISTS = ("commands", "command-logs", "wallets", "transactions", "client-errors", "client-logs")


@pytest.mark.parametrize("name", LISTS)
def test_a_longer_list_costs_no_more_queries(api: APIClient, name: str) -> None:
    def queries(count: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert len(api.get(f"/api/crypto/{name}/").json()["results"]) == count
        return len(captured)

    populate(0)
    few = queries(1)
    for number in range(1, 6):
        populate(number)
    assert queries(6) == few <= 2


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_pages_and_details(api: APIClient, name: str) -> None:
    for number in range(3):
        populate(number)
    first = api.get(f"/api/crypto/{name}/?limit=2").json()
    rest = api.get(first["next"]).json()
    assert (first["count"], len(first["results"]), len(rest["results"])) == (3, 2, 1)
    rows = first["results"] + rest["results"]
    assert len({row["id"] for row in rows}) == 3
    for row in rows:
        assert api.get(f"/api/crypto/{name}/{row['id']}/").json()["id"] == row["id"]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("commands/?connected=true", 2),
        ("commands/?connected=false", 0),
        ("commands/?search=CLIENT 1", 1),
        ("commands/?version=2.0", 0),
        ("commands/?status=UNKNOWN&status=PAUSED", 2),
        (lambda client: f"commands/?search={client.pk}", 1),
        (lambda client: f"command-logs/?client={client.pk}", 1),
        ("command-logs/?state=QUEUED&state=SENT&command=pause&source=code&principal=clerk", 2),
        ("command-logs/?state=SENT", 0),
        ("command-logs/?open=true", 2),
        ("command-logs/?open=false", 0),
        ("command-logs/?created_after=2020-01-01T00:00:00Z&created_before=2100-01-01T00:00:00Z", 2),
        ("command-logs/?created_before=2020-01-01", 0),
        ("command-logs/?finished_after=2020-01-01T00:00:00Z", 0),
        (lambda client: f"wallets/?client={client.pk}&symbol=ETH&wallet_id=w", 1),
        ("wallets/?symbol=BTC", 0),
        ("transactions/?type=deposit&type=transfer", 2),
        ("transactions/?type=withdrawal", 0),
        ("client-errors/?severity=high&search=MESSAGE 1", 1),
        ("client-logs/?level=debug", 0),
    ],
)
def test_filters(api: APIClient, address: str | Callable[[Client], str], found: int) -> None:
    client = [populate(number) for number in range(2)][1]
    answer = api.get("/api/crypto/" + (address if isinstance(address, str) else address(client)))
    assert (answer.status_code, answer.json().get("count")) == (200, found)


def test_lists_of_events_begin_with_the_newest(api: APIClient) -> None:
    ids = [str(populate(number).pk) for number in range(3)]
    for name in ("command-logs", "transactions", "client-errors", "client-logs"):
        assert [row["client"] for row in api.get(f"/api/crypto/{name}/").json()["results"]] == ids[::-1]


def test_amounts_are_exact(api: APIClient) -> None:
    populate(0)
    assert api.get("/api/crypto/wallets/").json()["results"][0]["available"] == "1.000000000000000001"


def test_the_detail_of_a_command_has_its_steps_and_its_ack(api: APIClient) -> None:
    attempt = ledger.sent(ledger.client(ledger.node()))
    url = f"/api/crypto/command-logs/{attempt.id}/"
    before = api.get(url).json()
    assert (before["ack"], [step["state"] for step in before["steps"]]) == (None, ["QUEUED", "SENT"])
    CommandLog.objects.update(acked_at=NOW, ack_message="m", ack_data='{"a": [1]}', ack_error="E")
    ack = api.get(url).json()["ack"]
    assert (ack["message"], ack["error"], ack["data"]) == ("m", "E", {"a": [1]})
    assert "data" not in api.get("/api/crypto/command-logs/").json()["results"][0]["ack"]
