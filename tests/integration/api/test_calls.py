"""The calls of the contract, through a real streaming server and real agents."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from rest_framework.test import APIClient

from crypto.commands import registry
from crypto.models import Client, CommandLog, Source, State
from tests.integration.api.conftest import Scene


def send(api: APIClient, client: UUID, command: str, body: Any = None, **more: Any) -> Any:
    return api.post(f"/api/crypto/commands/{client}/{command}/", body, **more)


def test_every_command_is_answered_with_the_clients_word(api: APIClient, scene: Scene) -> None:
    # Paused last: a paused client syncs no wallet.
    for name in [*sorted(registry.keys() - {"restart", "pause"}), "pause"]:
        answer = send(api, scene.willing, name)
        assert answer.status_code == 200, answer.json()
        body = answer.json()
        assert body["command_result"]["success"] is True
        assert body["command_result"]["error"] == ""
        log = api.get(body["log"]).json()
        assert (log["id"], log["command"], log["state"]) == (body["command_id"], name, "SUCCEEDED")
        assert (log["source"], log["principal"]) == (Source.REST, "root")
        assert [step["state"] for step in log["steps"]] == ["QUEUED", "SENT", "SUCCEEDED"]


def test_the_answer_has_the_clients_status_afterwards(api: APIClient, scene: Scene) -> None:
    paused = send(api, scene.willing, "pause", {"reason": "maintenance"}).json()
    assert paused["command_result"]["status"] == "PAUSED"
    assert api.get(f"/api/crypto/commands/{scene.willing}/").json()["status"] == "PAUSED"
    resumed = send(api, scene.willing, "resume").json()
    assert resumed["command_result"]["status"] == "ACTIVE"


def test_parameters_come_from_query_string_and_body(api: APIClient, scene: Scene) -> None:
    by_query = send(api, scene.willing, "sync_wallets", query_params={"symbols": "BTC,ETH"})
    by_body = send(api, scene.willing, "sync_wallets", {"symbols": ["BTC", "ETH"]})
    for answer in (by_query, by_body):
        assert api.get(answer.json()["log"]).json()["params"] == {"symbols": ["BTC", "ETH"]}
    both = send(api, scene.willing, "request_status", {"include_stats": True}, query_params={"timeout": "7"})
    log = api.get(both.json()["log"]).json()
    assert (log["params"], log["timeout"]) == ({"include_stats": True}, 7.0)


def test_a_structured_result_is_data_here_and_in_the_log(api: APIClient, scene: Scene) -> None:
    answer = send(api, scene.willing, "request_status", query_params={"include_stats": "true"}).json()
    data = answer["command_result"]["data"]
    assert isinstance(data, dict)
    assert data
    assert api.get(answer["log"]).json()["ack"]["data"] == data


def test_a_refusal_is_an_answer(api: APIClient, scene: Scene) -> None:
    answer = send(api, scene.refusing, "pause")
    assert answer.status_code == 200
    result = answer.json()["command_result"]
    assert (result["success"], result["error"]) == (False, "Rejected")
    assert CommandLog.objects.get().state == State.REJECTED


def test_silence_is_said_to_be_unknown(api: APIClient, scene: Scene) -> None:
    answer = send(api, scene.silent, "ping", {"timeout": 0.5})
    assert answer.status_code == 504
    body = answer.json()
    assert body["error"]["code"] == "timed_out"
    assert "unknown" in body["error"]["message"]
    assert api.get(body["log"]).json()["state"] == "TIMED_OUT"


def test_an_absent_client_is_503_and_on_record(api: APIClient, absent: Client) -> None:
    answer = send(api, absent.pk, "ping")
    assert answer.status_code == 503
    body = answer.json()
    assert body["error"]["code"] == "not_connected"
    assert CommandLog.objects.get(pk=body["command_id"]).state == State.NOT_CONNECTED


def test_an_unknown_client_is_404_and_not_on_record(api: APIClient) -> None:
    for client in (uuid4(), "not-a-uuid"):
        answer = api.post(f"/api/crypto/commands/{client}/ping/")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
    assert not CommandLog.objects.exists()


def test_respond_async_queues(api: APIClient, absent: Client) -> None:
    headers = {"Prefer": "respond-async, wait=10"}
    answer = send(api, absent.pk, "pause", {"offline": "queue", "expires_in": 60}, headers=headers)
    assert answer.status_code == 202
    assert answer["Preference-Applied"] == "respond-async"
    assert answer["Location"] == answer.json()["log"]
    row = CommandLog.objects.get(pk=answer.json()["command_id"])
    assert (row.state, row.offline) == (State.QUEUED, "queue")
    assert row.expires_at is not None
    assert (row.expires_at - row.created_at).total_seconds() == 60


def test_an_idempotency_key_runs_a_command_once(api: APIClient, scene: Scene) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = send(api, scene.willing, "pause", {"reason": "a"}, headers=headers)
    again = send(api, scene.willing, "pause", {"reason": "a"}, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert CommandLog.objects.count() == 1
    other = send(api, scene.willing, "pause", {"reason": "b"}, headers=headers)
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "conflict"


def test_an_idempotency_key_is_its_users_own(api: APIClient, absent: Client, django_user_model: Any) -> None:
    headers = {"Idempotency-Key": "order-1"}
    send(api, absent.pk, "ping", headers=headers)
    api.force_authenticate(django_user_model.objects.create_superuser("other", password="other"))
    assert send(api, absent.pk, "pause", headers=headers).status_code == 503
    assert CommandLog.objects.count() == 2


@pytest.mark.parametrize(
    ("state", "status"),
    [("QUEUED", 202), ("SENT", 202), ("EXPIRED", 409), ("CANCELED", 409), ("TIMED_OUT", 504)],
)
def test_a_repeated_key_tells_how_the_command_of_then_stands(
    api: APIClient, absent: Client, state: str, status: int
) -> None:
    headers = {"Idempotency-Key": "k"}
    first = send(api, absent.pk, "ping", headers=headers).json()
    CommandLog.objects.update(state=state, due_at="2030-01-01T00:00Z")
    again = send(api, absent.pk, "ping", headers=headers)
    assert (again.status_code, again.json()["command_id"]) == (status, first["command_id"])
