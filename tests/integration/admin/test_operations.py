"""Bulk actions from the list of clients to the operation's live page."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import reverse

from crypto.commands import registry
from crypto.models import Client, CommandLog, Operation, Source
from crypto.services.ledger.sweep import sweep
from tests.support import bulk, ledger

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = "admin:crypto_client_changelist"


def log_in(*permissions: str, superuser: bool = False) -> Browser:
    user = get_user_model().objects.create_user("ada", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Browser()
    browser.force_login(user)
    return browser


def choose(browser: Browser, action: str, clients: list[Client], **more: str) -> Any:
    ids = [str(client.pk) for client in clients]
    return browser.post(reverse(CLIENTS), {"action": action, "_selected_action": ids, **more})


def confirm(browser: Browser, page: HttpResponse, name: str, **fields: str) -> Any:
    found = re.search(r'name="snapshot" value="(\w+)"', page.content.decode())
    assert found is not None
    data = {"snapshot": found[1], **fields}
    return browser.post(reverse("admin:crypto_client_send", args=[name]), data)


def test_from_the_selection_to_the_operation() -> None:
    browser = log_in(superuser=True)
    here, away = bulk.clients(3, ledger.node()), bulk.clients(2, None)
    page = choose(browser, "send_pause", [*here[:2], *away])
    assert "<b>4</b> clients" in page.content.decode()
    assert "<b>2</b> not connected" in page.content.decode()
    assert not Operation.objects.exists()

    answer = confirm(browser, page, "pause", operation_reason="maintenance")
    operation = Operation.objects.get()
    assert answer.url == reverse("admin:crypto_operation_change", args=[operation.pk])
    assert (operation.source, operation.principal, operation.reason) == (Source.ADMIN, "ada", "maintenance")
    assert operation.params == {"reason": "maintenance"}
    assert {row.client_id for row in bulk.rows(operation)} == {client.pk for client in [*here[:2], *away]}
    live = browser.get(answer.url).content.decode()
    assert 'role="progressbar"' in live
    assert "hx-get" in live


def test_the_whole_filter_can_be_chosen() -> None:
    browser = log_in(superuser=True)
    clients = bulk.clients(60, None)
    page = choose(browser, "send_ping", clients[:1], select_across="1")
    assert "<b>60</b> clients" in page.content.decode()


def test_what_changed_since_the_page_starts_nothing_else() -> None:
    browser = log_in(superuser=True)
    clients = bulk.clients(2, None)
    page = choose(browser, "send_ping", clients)
    bulk.clients(1, None)
    confirm(browser, page, "ping")
    assert Operation.objects.get().targets == 2


def test_bad_parameters_come_back_with_the_field_named() -> None:
    browser = log_in(superuser=True)
    page = choose(browser, "send_ping", bulk.clients(1, None))
    again = confirm(browser, page, "ping", sequence="many")
    assert "Must be an integer." in again.content.decode()
    assert not Operation.objects.exists()


def test_each_command_has_its_action_and_its_permission() -> None:
    clients = bulk.clients(1, ledger.node())
    browser = log_in("view_client", "view_operation", "send_ping")
    page = browser.get(reverse(CLIENTS)).content.decode()
    offered = {name for name in registry if f'value="send_{name}"' in page}
    assert offered == {"ping"}
    asked = choose(browser, "send_ping", clients)
    assert confirm(browser, asked, "ping").status_code == 302
    assert confirm(browser, asked, "restart").status_code == 403
    paused = bulk.started("pause")
    refused = browser.post(reverse("admin:crypto_operation_control", args=[paused.pk, "cancel"]))
    assert refused.status_code == 403


def test_every_command_is_offered_to_a_superuser() -> None:
    bulk.clients(1, None)
    page = log_in(superuser=True).get(reverse(CLIENTS)).content.decode()
    assert all(f'value="send_{name}"' in page for name in registry)


def test_the_live_page_controls_and_ends() -> None:
    browser = log_in(superuser=True)
    bulk.clients(2, ledger.node())
    operation = bulk.started("ping")

    def press(verb: str) -> Operation:
        browser.post(reverse("admin:crypto_operation_control", args=[operation.pk, verb]))
        return Operation.objects.get(pk=operation.pk)

    assert press("pause").note == "paused by ada"
    assert press("resume").state == "RUNNING"
    bulk.answered(bulk.claimed(operation)[:1], "<b>Boom</b>")
    assert press("cancel").state == "STOPPING"
    figures = reverse("admin:crypto_operation_figures", args=[operation.pk])
    assert "hx-get" in browser.get(figures).content.decode()
    row = CommandLog.objects.open().get()
    CommandLog.objects.filter(pk=row.pk).update(due_at=row.created_at - timedelta(hours=1))
    ledger.hurry(row)
    sweep()
    over = browser.get(figures).content.decode()
    assert "hx-get" not in over
    assert "&lt;b&gt;Boom" in over
    rows = re.findall(r'href="([^"]+state__exact=FAILED)"', over)[0].replace("&amp;", "&")
    assert browser.get(rows).context["cl"].result_count == 1
    press("retry")
    assert Operation.objects.exclude(pk=operation.pk).get().parent_id == operation.pk


def test_the_list_of_operations_opens() -> None:
    browser = log_in(superuser=True)
    bulk.clients(1, None)
    operation = bulk.started("ping")
    page = browser.get(reverse("admin:crypto_operation_changelist")).content.decode()
    assert reverse("admin:crypto_operation_change", args=[operation.pk]) in page


def test_labels_are_checked() -> None:
    browser = log_in(superuser=True)
    (client,) = bulk.clients(1, None)
    change = reverse("admin:crypto_client_change", args=[client.pk])
    assert browser.post(change, {"labels": '{"region": "eu"}'}).status_code == 302
    assert "begins with a letter" in browser.post(change, {"labels": '{"1": "eu"}'}).content.decode()
    assert Client.objects.get(pk=client.pk).labels == {"region": "eu"}
