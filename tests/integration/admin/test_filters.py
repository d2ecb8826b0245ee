"""Actions on a whole filter: they reach the clients that matched when the preview was shown, nobody else."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from crypto.models import Client, ClientStatus, Operation, Snapshot
from tests.integration.admin.test_operations import CLIENTS, confirm, log_in
from tests.support import bulk, ledger

pytestmark = pytest.mark.django_db(transaction=True)


def targets(operation: Operation) -> set[str]:
    return {str(row.client_id) for row in bulk.rows(operation)}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("status__exact=ACTIVE", lambda client: client.status == "ACTIVE"),
        ("connected=no", lambda client: client.node_id is None),
        ("q=north", lambda client: client.name == "north"),
        ("status__exact=PAUSED&connected=yes&q=client", lambda client: client.node_id is not None),
        ("", lambda client: True),
    ],
)
def test_exactly_those_that_match_are_reached(query: str, wanted: Callable[[Client], bool]) -> None:
    browser = log_in(superuser=True)
    bulk.clients(60, ledger.node(), status=ClientStatus.PAUSED)
    bulk.clients(55, None, status=ClientStatus.ACTIVE)
    Client.objects.filter(status=ClientStatus.ACTIVE).update(name="north")
    matching = {str(client.pk) for client in Client.objects.all() if wanted(client)}
    first = min(str(client.pk) for client in Client.objects.all())
    page: Any = browser.post(
        f"{reverse(CLIENTS)}?{query}",
        {"action": "send_ping", "_selected_action": [first], "select_across": "1"},
    )
    assert f"<b>{len(matching)}</b> clients" in page.content.decode()
    # What joins or leaves the filter while the operator reads changes nothing.
    Client.objects.update(status=ClientStatus.ERROR, name="other")
    bulk.clients(1, None, status=ClientStatus.ACTIVE)
    assert confirm(browser, page, "ping").status_code == 302
    assert targets(Operation.objects.get()) == matching


def test_who_may_pause_may_not_restart() -> None:
    browser = log_in("view_client", "view_operation", "send_pause")
    bulk.clients(3, ledger.node())
    page = browser.get(reverse(CLIENTS)).content.decode()
    assert 'value="send_pause"' in page
    assert 'value="send_restart"' not in page
    for across in ("0", "1"):
        ids = [str(client.pk) for client in Client.objects.all()]
        data = {"action": "send_restart", "_selected_action": ids, "select_across": across}
        answer = browser.post(reverse(CLIENTS), data)
        assert 'id="preview"' not in answer.content.decode()
    assert not Snapshot.objects.exists()
    asked: Any = browser.post(reverse(CLIENTS), data | {"action": "send_pause"})
    assert confirm(browser, asked, "restart").status_code == 403
    assert not Operation.objects.exists()
    assert confirm(browser, asked, "pause").status_code == 302
    assert Operation.objects.get().command == "pause"
