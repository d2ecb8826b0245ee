"""Cancel and explain by REST, on the command line and in the admin."""

from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client as Browser
from rest_framework.test import APIClient

from crypto.models import Client, CommandLog, State
from crypto.services.ledger.settle import record_acks
from tests.support.ledger import ack, queued, row, sent

LOGS = "/api/crypto/command-logs"


@pytest.fixture
def api(db: None) -> APIClient:
    api = APIClient()
    api.force_authenticate(User.objects.create_superuser("root"))
    return api


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().strip()


def test_rest_explains(api: APIClient, present: Client) -> None:
    answer = api.get(f"{LOGS}/{sent(present).id}/explain/")
    assert answer.status_code == 200
    assert (answer.data["cause"], set(answer.data)) == ("unacked", {"cause", "sentence"})
    assert api.get(f"{LOGS}/{uuid4()}/explain/").status_code == 404


def test_rest_cancels(api: APIClient, present: Client) -> None:
    waiting, attempt = queued(present), sent(present)
    at_once = api.post(f"{LOGS}/{waiting.id}/cancel/")
    assert (at_once.status_code, at_once.data["state"]) == (200, "CANCELED")
    assert at_once.data["reason"] == "canceled by root"
    later = api.post(f"{LOGS}/{attempt.id}/cancel/")
    assert (later.status_code, later.data["state"]) == (202, "SENT")
    assert later.data["cancel_requested_at"] is not None
    record_acks([ack(attempt)])
    over = api.post(f"{LOGS}/{attempt.id}/cancel/")
    assert (over.status_code, over.data["error"]["code"]) == (409, "conflict")


def test_rest_takes_no_parameters(api: APIClient, present: Client) -> None:
    command = queued(present)
    assert api.post(f"{LOGS}/{command.id}/cancel/", {"force": True}).status_code == 400
    assert api.get(f"{LOGS}/{command.id}/explain/?verbose=1").status_code == 400
    assert row(command).state == State.QUEUED


@pytest.fixture
def pinger(db: None) -> User:
    """May send pings and look at everything, no more."""
    user = User.objects.create_user("pinger", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["send_ping", "view_commandlog"]))
    return user


def test_who_may_not_send_it_may_not_cancel_it(api: APIClient, present: Client, pinger: User) -> None:
    api.force_authenticate(pinger)
    assert api.post(f"{LOGS}/{queued(present, 'ping').id}/cancel/").status_code == 200
    assert api.post(f"{LOGS}/{queued(present, 'pause').id}/cancel/").status_code == 403


def test_the_admin_cancels_what_its_user_may(present: Client, pinger: User, browser: Browser) -> None:
    mine, other, attempt = queued(present), queued(present, "pause"), sent(present)
    browser.force_login(pinger)
    chosen: dict[str, Any] = {
        "action": "cancel_selected",
        "_selected_action": [each.id for each in (mine, other, attempt)],
    }
    page = browser.post("/admin/crypto/commandlog/", chosen, follow=True)
    assert "1 canceled, 1 under way" in page.content.decode()
    assert "1 are not yours to cancel" in page.content.decode()
    assert [row(each).state for each in (mine, other, attempt)] == ["CANCELED", "QUEUED", "SENT"]
    detail = browser.get(f"/admin/crypto/commandlog/{attempt.id}/change/")
    assert "cancelation was requested" in detail.content.decode()


@pytest.fixture
def browser() -> Browser:
    return Browser()


def test_the_command_line(present: Client) -> None:
    waiting, attempt = queued(present), sent(present)
    assert manage("explain", str(attempt.id)).startswith("It was handed on")
    assert manage("cancel", str(waiting.id)) == f"{waiting.id} is canceled"
    assert "under way" in manage("cancel", str(attempt.id))
    record_acks([ack(attempt)])
    with pytest.raises(CommandError, match="ended already") as over:
        manage("cancel", str(attempt.id))
    assert over.value.returncode == 5
    assert manage("explain", "--json", str(waiting.id)).startswith('{"cause": "canceled"')


@pytest.mark.parametrize("verb", ["cancel", "explain"])
def test_the_command_line_says_what_is_wrong(db: None, verb: str) -> None:
    with pytest.raises(CommandError, match="not a UUID"):
        manage(verb, "7")
    with pytest.raises(CommandError, match="there is no command"):
        manage(verb, str(uuid4()))
    assert not CommandLog.objects.exists()
