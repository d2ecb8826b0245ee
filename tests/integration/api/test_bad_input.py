"""What does not fit is refused with 400 and named; nothing is issued."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from crypto.models import Client, CommandLog

JSON = "application/json"
ASYNC = {"Prefer": "respond-async"}


def post(api: APIClient, client: Client, command: str, query: str = "", **more: Any) -> Any:
    return api.post(f"/api/crypto/commands/{client.pk}/{command}/{query}", **more)


@pytest.mark.parametrize(
    ("command", "query", "body", "fields"),
    [
        ("sync_wallets", "", {"symbols": ["BTC", "$$"]}, {"symbols"}),
        ("sync_wallets", "?symbols=BTC,$$", {}, {"symbols"}),
        ("sync_wallets", "?symbols=,", {}, {"symbols"}),
        ("sync_wallets", "", {"symbols": "BTC"}, {"symbols"}),
        ("sync_wallets", "", {"symbols": None}, {"symbols"}),
        ("sync_wallets", "", {"symbols": [1]}, {"symbols"}),
        ("sync_wallets", "", {"symbols": [f"S{n}" for n in range(10_000)]}, {"symbols"}),
        ("sync_wallets", "?symbols=" + ",".join(f"S{n}" for n in range(10_000)), {}, {"symbols"}),
        ("sync_wallets", "", {"symbols": ["X" * 21]}, {"symbols"}),
        ("ping", "", {"sequence": "1"}, {"sequence"}),
        ("ping", "", {"sequence": 1.5}, {"sequence"}),
        ("ping", "", {"sequence": True}, {"sequence"}),
        ("ping", "", {"sequence": 2**31}, {"sequence"}),
        ("ping", "?sequence=x", {}, {"sequence"}),
        ("ping", "?sequence=1&sequence=2", {}, {"sequence"}),
        ("ping", "?sequence=1", {"sequence": 1}, {"sequence"}),
        ("ping", "", {"foo": 1}, {"foo"}),
        ("ping", "?foo=1", {"bar": 1}, {"foo", "bar"}),
        ("pause", "", {"reason": 7}, {"reason"}),
        ("pause", "", {"reason": "x" * 1_001}, {"reason"}),
        ("pause", "", {"reason": "a\x00b"}, {"reason"}),
        ("request_status", "?include_stats=perhaps", {}, {"include_stats"}),
        ("request_status", "", {"include_stats": "true"}, {"include_stats"}),
        ("update_config", "", {"document": "{"}, {"document"}),
        ("update_config", "", {"document": "[" * 100_000}, {"document"}),
        ("update_config", "", {"document": [1], "version": -1}, {"document", "version"}),
        ("update_config", "", {"document": {"a": "x" * 70_000}}, {"document"}),
        ("ping", "?timeout=0", {}, {"timeout"}),
        ("ping", "?timeout=301", {}, {"timeout"}),
        ("ping", "?timeout=nan", {}, {"timeout"}),
        ("ping", "?timeout=soon", {}, {"timeout"}),
        ("ping", "", {"timeout": "5"}, {"timeout"}),
        ("ping", "", {"timeout": True}, {"timeout"}),
        ("ping", "", {"timeout": 10**400}, {"timeout"}),
        ("ping", "", {"sequence": "x", "timeout": -1}, {"sequence", "timeout"}),
        ("ping", "", {"offline": "queue"}, {"offline"}),
        ("ping", "?expires_in=60", {}, {"expires_in"}),
        ("ping", "", [1, 2], {"body"}),
        ("ping", "", "text", {"body"}),
    ],
)
def test_fields_at_fault_are_named(
    api: APIClient, absent: Client, command: str, query: str, body: Any, fields: set[str]
) -> None:
    answer = post(api, absent, command, query, data=json.dumps(body), content_type=JSON)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], set(error["fields"])) == ("invalid", fields)
    assert not CommandLog.objects.exists()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"offline": "skip"}, {"offline"}),
        ({"expires_in": 0.5}, {"expires_in"}),
        ({"expires_in": 10**9}, {"expires_in"}),
    ],
)
def test_options_of_queued_calls_have_bounds(
    api: APIClient, absent: Client, body: Any, fields: set[str]
) -> None:
    answer = post(api, absent, "ping", data=body, headers=ASYNC)
    assert answer.status_code == 400
    assert set(answer.json()["error"]["fields"]) == fields


@pytest.mark.parametrize(
    ("raw", "content_type", "status", "code"),
    [
        ("{", JSON, 400, "parse_error"),
        ('{"sequence": NaN}', JSON, 400, "parse_error"),
        ("[" * 100_000, JSON, 400, "parse_error"),
        ('{"\\ud800": 1}', JSON, 400, "parse_error"),
        (b"\xff\xfe{}", JSON, 400, "parse_error"),
        ("reason=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ("reason: x", "application/yaml", 415, "unsupported_media_type"),
        (b'{"reason": "' + b"x" * 3_000_000 + b'"}', JSON, 413, "too_large"),
    ],
)
def test_bodies_that_cannot_be_read(
    api: APIClient, absent: Client, raw: Any, content_type: str, status: int, code: str
) -> None:
    answer = post(api, absent, "pause", data=raw, content_type=content_type)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert not CommandLog.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 151, "a b", "a\x7fb"])
def test_idempotency_keys_have_a_form(api: APIClient, absent: Client, key: str) -> None:
    answer = post(api, absent, "ping", headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert set(answer.json()["error"]["fields"]) == {"Idempotency-Key"}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("commands/?conected=true", "conected"),
        ("commands/?status=GREAT", "status"),
        ("commands/?connected=perhaps", "connected"),
        ("commands/?limit=0", "limit"),
        ("commands/?limit=1001", "limit"),
        ("commands/?offset=99999999999999999999", "offset"),
        ("command-logs/?client=7", "client"),
        ("command-logs/?state=DONE", "state"),
        ("command-logs/?command=explode", "command"),
        ("command-logs/?created_after=yesterday", "created_after"),
        ("command-logs/?created_after=9999-12-31T23:59:59-12:00", "created_after"),
        ("command-logs/?created_before=0001-01-01T00:00:00%2B12:00", "created_before"),
        ("command-logs/?principal=%00", "principal"),
    ],
)
def test_filters_at_fault_are_named(api: APIClient, address: str, name: str) -> None:
    answer = api.get(f"/api/crypto/{address}")
    assert answer.status_code == 400, answer.content
    assert set(answer.json()["error"]["fields"]) == {name}


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("get", "nothing/", 404),
        ("get", "commands", 404),
        ("post", "commands/", 405),
        ("delete", "commands/00000000-0000-0000-0000-000000000001/", 405),
        ("get", "commands/00000000-0000-0000-0000-000000000001/", 404),
        ("get", "commands/%00/", 404),
        ("get", "command-logs/7/", 404),
        ("get", "wallets/99999999999999999999999/", 404),
        ("get", "wallets/x/", 404),
    ],
)
def test_other_errors_have_the_same_body(api: APIClient, method: str, address: str, status: int) -> None:
    answer = getattr(api, method)(f"/api/crypto/{address}")
    assert answer.status_code == status, answer.content
    assert set(answer.json()["error"]) == {"code", "message", "fields"}
