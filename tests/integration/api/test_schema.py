"""The OpenAPI document is valid, complete, and what it promises holds for requests nobody thought of."""

from typing import Any, cast

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from crypto.api.commands.requests import known_parameters
from crypto.commands import registry
from crypto.models import Client
from project.wsgi import application


def nothing_unforeseen(context: Any, response: Any, case: Any) -> None:
    """503 and 504 are answers; 500 is a defect."""
    assert response.status_code != 500, response.content


SCHEMA = "/api/crypto/schema/"
CHECKS = [
    nothing_unforeseen,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def document(superuser: User) -> Any:
    api = APIClient()
    api.force_authenticate(superuser)
    return api.get(f"{SCHEMA}?format=json").json()


def test_it_is_valid_and_without_a_warning(tmp_path: Any) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yaml"))


@pytest.mark.parametrize("name", registry)
def test_every_command_is_described_with_all_its_parameters(document: Any, name: str) -> None:
    operation = document["paths"][f"/api/crypto/commands/{{id}}/{name}/"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == set(known_parameters(registry[name]))
    assert {"200", "202", "400", "401", "403", "404", "500", "503", "504"} <= set(operation["responses"])
    assert operation["description"] == registry[name].__doc__


def test_random_requests_are_answered_as_described(superuser: User, absent: Client) -> None:
    headers = {"Authorization": f"Token {Token.objects.create(user=superuser).key}"}
    schema = schemathesis.openapi.from_wsgi(f"{SCHEMA}?format=json", application, headers=headers)
    for found in schema.get_all_operations():
        operation = cast(Ok[Any], found).ok()
        path = {"id": str(absent.pk)} if operation.path.startswith("/api/crypto/commands/{id}") else None
        # A request without parameters cannot be a wrong one.
        modes = GenerationMode if operation.query or operation.body else [GenerationMode.POSITIVE]
        for mode in modes:
            # Filters are lenient where no harm is done: an empty one filters nothing, a date is its midnight.
            checks = CHECKS if operation.method == "get" else [*CHECKS, negative_data_rejection]
            check(operation.as_strategy(generation_mode=mode, path_parameters=path), headers, checks)


def check(cases: Any, headers: dict[str, str], checks: list[Any]) -> None:
    # The same requests in every run.
    @settings(
        max_examples=6,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def each(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=checks)

    each()
