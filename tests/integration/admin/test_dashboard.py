"""The admin's home shows figures and links, each to those who may see what they come from."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from crypto.models import ClientStatus, Schedule
from tests.integration.admin.test_operations import log_in
from tests.support import bulk, ledger

pytestmark = pytest.mark.django_db(transaction=True)


def test_figures_and_links() -> None:
    browser = log_in(superuser=True)
    bulk.clients(3, ledger.node(), status=ClientStatus.ACTIVE)
    bulk.clients(2, None, status=ClientStatus.PAUSED)
    operation = bulk.started("ping")
    bulk.answered(bulk.claimed(operation)[:1], "Boom")
    schedule = Schedule.objects.create(name="<b>nightly</b>", command="ping", interval=60)
    page = browser.get("/admin/").content.decode()
    assert '<span id="connected">3</span> of 5' in page
    assert "3 ACTIVE" in page
    assert "2 PAUSED" in page
    assert "not in the status" not in page
    assert reverse("admin:crypto_operation_change", args=[operation.pk]) in page
    assert reverse("admin:crypto_schedule_change", args=[schedule.pk]) in page
    assert "&lt;b&gt;nightly" in page
    assert re.search(r"client \d</a>", page)
    assert 'class="chart"' in page
    assert "https://" not in page


def test_who_is_not_as_it_said_is_shown_and_found() -> None:
    browser = log_in(superuser=True)
    bulk.clients(2, ledger.node(), status=ClientStatus.ACTIVE)
    (odd,) = bulk.clients(1, None, status=ClientStatus.ACTIVE, diverged_at=timezone.now())
    page = browser.get("/admin/").content.decode()
    found = re.search(r'href="([^"]+)">1 of them not in the status', page)
    assert found is not None
    answer = browser.get(found[1])
    assert list(answer.context["cl"].queryset) == [odd]


def test_an_empty_installation_has_a_home() -> None:
    page = log_in(superuser=True).get("/admin/").content.decode()
    assert "No client has registered yet." in page
    assert "Nothing was acked." in page


@pytest.mark.parametrize(
    ("permission", "seen"),
    [
        ("view_client", {"Clients by status"}),
        ("view_commandlog", {"Commands per minute"}),
        ("view_operation", {"Running operations"}),
        ("view_schedule", {"Next schedules"}),
        ("view_wallet", set()),
    ],
)
def test_each_part_is_for_those_who_may_see_it(permission: str, seen: set[str]) -> None:
    page = log_in(permission).get("/admin/").content.decode()
    parts = (
        "Clients by status",
        "Commands per minute",
        "Running operations",
        "Next schedules",
        "Slowest clients",
    )
    assert {part for part in parts if part in page} == seen
