from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from crypto.commands import registry
from crypto.models import Client, Operation, Source
from tests.support import bulk, ledger

pytestmark = pytest.mark.django_db(transaction=True)

BASE = "/api/crypto/"


def post(api: APIClient, address: str, body: Any = None, expect: int = 202, key: str = "") -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = api.post(BASE + address, body, format="json", headers=headers)
    assert answer.status_code == expect, answer.content
    document: dict[str, Any] = answer.json()
    if expect == 202:
        assert answer.headers["Location"] == document["url"]
    return document


def limited(*permissions: str) -> APIClient:
    user = get_user_model().objects.create_user("ada")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    api = APIClient()
    api.force_authenticate(user)
    return api


@pytest.mark.parametrize("cls", [cls for cls in registry.values() if cls.bulk_verb])
def test_every_bulk_verb_starts_an_operation_over_all(api: APIClient, cls: Any) -> None:
    bulk.clients(3, ledger.node())
    answer = post(api, f"commands/{cls.bulk_verb}/")
    operation = Operation.objects.get(pk=answer["id"])
    assert (operation.command, operation.source, operation.principal) == (cls.name, Source.REST, "root")
    assert answer["counts"]["QUEUED"] == answer["targets"] == 3
    assert sum(answer["counts"].values()) == 3


def test_a_reason_is_recorded_and_told_to_the_clients(api: APIClient) -> None:
    answer = post(api, "commands/pause_all/", {"reason": "maintenance"})
    assert (answer["reason"], answer["params"]) == ("maintenance", {"reason": "maintenance"})
    answer = post(api, "commands/sync_all/?symbols=BTC,ETH", {"reason": "audit"})
    assert (answer["reason"], answer["params"]) == ("audit", {"symbols": ["BTC", "ETH"]})


@pytest.mark.parametrize(
    ("address", "body", "field"),
    [
        ("commands/pause_all/", {"raeson": "x"}, "raeson"),
        ("commands/pause_all/", {"selector": {"colour": 1}}, "selector.colour"),
        ("commands/pause_all/", {"policy": {"speed": 1}}, "policy.speed"),
        ("commands/pause_all/", {"wait": 1000}, "wait"),
        ("commands/pause_all/", {"reason": 5}, "reason"),
        ("commands/pause_all/", [], "body"),
        ("commands/sync_all/?symbols=%25", None, "symbols"),
        ("operations/", {"command": "dance"}, "command"),
        ("operations/", {"command": "ping", "params": {"sequence": "x"}}, "params.sequence"),
        ("operations/", {"command": "ping", "parms": {}}, "parms"),
        ("operations/preview/", {"command": "ping", "selector": {"ids": "x"}}, "selector.ids"),
    ],
)
def test_bad_input_is_named(api: APIClient, address: str, body: Any, field: str) -> None:
    answer = post(api, address, body, 400)
    assert list(answer["error"]["fields"]) == [field]
    assert not Operation.objects.exists()


def test_preview_then_start_then_the_difference(api: APIClient) -> None:
    bulk.clients(2, ledger.node())
    seen = post(api, "operations/preview/", {"command": "restart"}, 200)
    assert (seen["targets"], seen["offline"], seen["unsupported"], seen["paused"]) == (2, 0, 2, 0)
    assert not Operation.objects.exists()
    start = {"command": "restart", "expected_snapshot": seen["snapshot"]}
    assert post(api, "operations/", start)["targets"] == 2
    late = ledger.client()
    changed = post(api, "operations/", start, 409)
    assert changed["error"]["code"] == "snapshot_changed"
    assert changed["joined"] == {"count": 1, "sample": [str(late.id)]}
    assert changed["left"]["count"] == 0


def test_an_idempotency_key_starts_one_operation(api: APIClient) -> None:
    bulk.clients(1, ledger.node())
    key = "k1"
    first = post(api, "commands/pause_all/", key=key)
    assert post(api, "commands/pause_all/", key=key)["id"] == first["id"]
    post(api, "commands/sync_all/", expect=409, key=key)


def test_wait_returns_as_soon_as_it_has_ended(api: APIClient) -> None:
    bulk.clients(1, None)
    answer = post(api, "commands/pause_all/", {"wait": 30})
    assert answer["state"] == "COMPLETED_WITH_FAILURES"
    assert answer["reasons"] == [
        {"state": "NOT_CONNECTED", "reason": "skipped: the client is not connected", "count": 1}
    ]
    shown = api.get(f"{answer['url']}?wait=30").json()
    assert (shown["state"], shown["eta_seconds"]) == ("COMPLETED_WITH_FAILURES", 0)


def test_control_from_outside(api: APIClient) -> None:
    bulk.clients(5, ledger.node())
    body = {"command": "ping", "policy": {"waves": [2]}}
    at = f"operations/{post(api, 'operations/', body)['id']}/"
    assert post(api, at + "pause/", expect=200)["note"] == "paused by root"
    assert post(api, at + "pause/", expect=409)["error"]["code"] == "conflict"
    assert post(api, at + "step/", expect=200)["state"] == "RUNNING"
    assert post(api, at + "retry/", expect=409)["error"]["code"] == "conflict"
    assert post(api, at + "cancel/", expect=200)["counts"]["CANCELED"] == 5
    assert api.get(BASE + at).json()["state"] == "CANCELED"
    child = post(api, at + "retry/", {"states": ["CANCELED"], "reason": "again"})
    assert (child["targets"], child["reason"]) == (5, "again")
    assert f"operations/{child['parent']}/" == at
    for states in (["SUCCEEDED"], [], "CANCELED", [["CANCELED"]], None):
        refused = post(api, at + "retry/", {"states": states}, 400)
        assert list(refused["error"]["fields"]) == ["states"]
    found = api.get(BASE + "operations/", {"state": "RUNNING"}).json()
    assert [one["id"] for one in found["results"]] == [child["id"]]


def test_its_commands_are_found_in_the_ledger(api: APIClient) -> None:
    bulk.clients(2, ledger.node())
    id = post(api, "commands/pause_all/")["id"]
    post(api, "commands/sync_all/")
    found = api.get(BASE + "command-logs/", {"operation": id, "state": "QUEUED"}).json()
    assert {(row["operation"], row["command"], row["wave"]) for row in found["results"]} == {(id, "pause", 1)}
    assert found["count"] == 2


def test_who_may_what(api: APIClient) -> None:
    bulk.clients(1, ledger.node())
    pausing = post(api, "commands/pause_all/")
    ada = limited("send_ping")
    post(ada, "operations/", {"command": "ping"})
    for address, body in (
        ("commands/pause_all/", None),
        ("operations/", {"command": "pause"}),
        ("operations/preview/", {"command": "pause"}),
        (f"operations/{pausing['id']}/cancel/", None),
        (f"operations/{pausing['id']}/retry/", None),
    ):
        post(ada, address, body, 403)
    assert ada.get(pausing["url"]).status_code == 200
    assert APIClient().post(BASE + "commands/pause_all/").status_code == 401


def test_an_unknown_operation_is_not_found(api: APIClient) -> None:
    for id in ("nonsense", "00000000-0000-0000-0000-000000000000"):
        assert api.get(f"{BASE}operations/{id}/").status_code == 404
        post(api, f"operations/{id}/cancel/", expect=404)


def test_labels_are_replaced_by_who_may_change_clients(api: APIClient) -> None:
    client = ledger.client()
    at = f"{BASE}commands/{client.pk}/"
    assert api.patch(at, {"labels": {"region": "eu"}}, format="json").json() == {"labels": {"region": "eu"}}
    assert api.get(at).json()["labels"] == {"region": "eu"}
    for body in ({"labels": {"1": "x"}}, {"labels": {"x": 1}}, {"name": "x"}, {}):
        assert api.patch(at, body, format="json").status_code == 400
    assert limited().patch(at, {"labels": {}}, format="json").status_code == 403
    assert Client.objects.get().labels == {"region": "eu"}
