"""Documents become versions, versions become commands, and clients that run something else are healed."""

import json
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from crypto.exceptions import InvalidParameters
from crypto.models import (
    Client,
    CommandLog,
    Configuration,
    ConfigurationVersion,
    Operation,
    Source,
    State,
    StreamNode,
)
from crypto.services.desired import drift
from crypto.services.desired.configurations import set_configuration
from crypto.services.desired.drift import DriftStatus, members, send_due, watch
from crypto.services.fleet.presence import Arrival, arrive, enqueue_waiting
from crypto.services.ledger.claim import claim
from crypto.services.ledger.settle import record_acks
from tests.support import ledger
from tests.support.live import live_environment
from tests.support.processes import Process

pytestmark = pytest.mark.django_db(transaction=True)

LATER = timedelta(seconds=10)
CAPABLE = ["journal", "update_config"]


def come(
    node: StreamNode,
    client: Client | None = None,
    running: int = 0,
    capabilities: list[str] | None = None,
    **labels: str,
) -> Client:
    pk = client.pk if client else uuid4()
    if labels:
        Client.objects.create(pk=pk, labels=labels)
    with transaction.atomic():
        arrive([Arrival(pk, node.pk, "n", "spot", "1.0", "", capabilities or CAPABLE, "", running)])
    with transaction.atomic():
        enqueue_waiting([pk])
    return Client.objects.get(pk=pk)


def settle_down() -> None:
    """Let the debounce pass."""
    send_due(timezone.now() + LATER)


def sent() -> list[tuple[Any, int, dict[str, Any]]]:
    """Client, version and document of every update_config, oldest first."""
    rows = CommandLog.objects.filter(command="update_config").order_by("created_at", "params__version")
    return [(row.client_id, row.params["version"], json.loads(row.params["document"])) for row in rows]


def answer(client: Client, error: str = "", message: str = "") -> None:
    """Its open update_config is delivered and acked."""
    (row,) = CommandLog.objects.open().filter(client=client, command="update_config")
    (attempt,) = claim([row.pk])
    record_acks([ledger.ack(attempt, error, message=message)])


def standing(configuration: Configuration) -> dict[str, str]:
    return {member.standing.name: member.reason for member in members(configuration)}


def test_a_save_is_sent_once_and_then_the_client_is_in_step(node: StreamNode) -> None:
    client = come(node)

    made = set_configuration({"limit": 1}, principal="ann")
    assert sent() == []
    settle_down()

    assert sent() == [(client.pk, made.version, {"limit": 1})]
    row = CommandLog.objects.get()
    assert (row.source, row.principal) == (Source.SIGNAL, "configuration default")
    assert standing(made) == {"SENDING": ""}
    answer(client)
    assert Client.objects.get().config_version == made.version
    watch()
    settle_down()
    assert len(sent()) == 1
    assert standing(made) == {"IN_STEP": ""}


def test_fifty_saves_send_the_last_one(node: StreamNode) -> None:
    client = come(node)

    versions = [set_configuration({"save": number}).version for number in range(50)]
    assert send_due() == 0
    settle_down()

    assert versions == sorted(set(versions))
    assert sent() == [(client.pk, versions[-1], {"save": 49})]


def test_saving_without_end_is_sent_in_between(node: StreamNode) -> None:
    come(node)
    made = set_configuration({"save": 0})
    Configuration.objects.update(unsent_since=timezone.now() - timedelta(seconds=6))

    set_configuration({"save": 1})

    assert send_due() == 1
    assert [version for _, version, _ in sent()] == [made.version + 1]


@pytest.mark.slow
def test_fifty_processes_send_the_last_one(node: StreamNode, tmp_path: Path) -> None:
    client = come(node, region="eu")
    argv = [sys.executable, "-m", "tests.integration.desired.savers", "region=eu", "50", "2"]
    env = live_environment(tmp_path, DJANGO_SETTINGS_MODULE="tests.replica_settings")

    with Process(argv, env, tmp_path / "savers.log") as savers:
        assert savers.popen.wait(300) == 0, savers.text
    settle_down()

    made = Configuration.objects.get()
    assert ConfigurationVersion.objects.count() == 100
    assert made.version == 100
    assert sent() == [(client.pk, 100, made.document)]
    assert ConfigurationVersion.objects.get(pk=100).document == made.document


def test_a_save_of_the_same_document_is_no_change(node: StreamNode) -> None:
    made = set_configuration({"a": 1, "b": 2})

    again = set_configuration({"b": 2, "a": 1})

    assert again.version == made.version


def test_its_own_goes_before_its_labels_and_those_before_the_default(node: StreamNode) -> None:
    own, labelled, two, other = (
        come(node),
        come(node, tier="gold"),
        come(node, tier="gold", area="x"),
        come(node),
    )
    set_configuration({"of": "all"})
    set_configuration({"of": "gold"}, label="tier=gold")
    set_configuration({"of": "x"}, label="area=x")
    set_configuration({"of": "own"}, client=own.pk)

    settle_down()

    assert {client: document["of"] for client, _, document in sent()} == {
        own.pk: "own", labelled.pk: "gold", two.pk: "x", other.pk: "all",
    }  # fmt: skip
    assert len(sent()) == 4


def test_many_clients_are_one_operation(node: StreamNode) -> None:
    clients = [come(node) for _ in range(5)]

    set_configuration({"limit": 1})
    settle_down()

    operation = Operation.objects.get()
    assert (operation.command, operation.targets, operation.source) == ("update_config", 5, "signal")
    assert {client for client, _, _ in sent()} == {client.pk for client in clients}


def test_who_was_away_gets_it_when_it_is_back(node: StreamNode) -> None:
    away = ledger.client(capabilities=CAPABLE)
    made = set_configuration({"limit": 1})
    settle_down()
    assert sent() == []
    assert standing(made) == {"AWAY": ""}

    come(node, away)

    assert sent() == [(away.pk, made.version, {"limit": 1})]


def test_a_client_that_lost_its_configuration_gets_it_again_on_connect(node: StreamNode) -> None:
    client = come(node)
    made = set_configuration({"limit": 1})
    settle_down()
    answer(client)

    come(node, client, running=made.version)
    assert len(sent()) == 1
    come(node, client, running=0)
    assert len(sent()) == 2


def test_a_refusal_is_shown_and_not_repeated_until_the_document_changes(node: StreamNode) -> None:
    client = come(node)
    made = set_configuration({"limit": -1})
    settle_down()
    answer(client, "Rejected", "a limit below zero")

    watch()
    drift.remediate(now=timezone.now() + timedelta(days=2))
    come(node, client)

    assert len(sent()) == 1
    assert standing(made) == {"REFUSED": "Rejected: a limit below zero"}
    fixed = set_configuration({"limit": 1})
    settle_down()
    assert sent()[1:] == [(client.pk, fixed.version, {"limit": 1})]


def test_a_failure_is_repeated_with_growing_pauses(node: StreamNode) -> None:
    client = come(node)
    made = set_configuration({"limit": 1})
    settle_down()
    CommandLog.objects.update(state=State.FAILED, due_at=None, reason="no disk")
    now = timezone.now()

    assert standing(made) == {"FAILED": "no disk"}
    assert drift.remediate(now=now + timedelta(seconds=20)) == 0
    assert drift.remediate(now=now + timedelta(seconds=31)) == 1
    CommandLog.objects.update(state=State.FAILED, due_at=None)
    assert drift.remediate(now=now + timedelta(seconds=50)) == 0
    assert drift.remediate(now=now + timedelta(seconds=70)) == 1
    assert {target for target, _, _ in sent()} == {client.pk}


def test_what_bypassed_save_is_found_by_the_check(node: StreamNode) -> None:
    labelled, other = come(node, region="eu"), come(node)
    made = set_configuration({"limit": 1})
    settle_down()
    answer(other)
    answer(labelled)

    Configuration.objects.update(document={"limit": 2})
    Configuration.objects.bulk_create([Configuration(label="region=eu", document={"limit": 3})])
    watch()
    settle_down()

    assert {client: document["limit"] for client, _, document in sent()[2:]} == {labelled.pk: 3, other.pk: 2}
    assert min(version for _, version, _ in sent()[2:]) > made.version


def test_a_client_that_comes_to_an_older_document_gets_it_under_a_higher_number(node: StreamNode) -> None:
    """Clients refuse a lower version than they run."""
    client, other = come(node), come(node)
    default = set_configuration({"of": "all"})
    own = set_configuration({"of": "own"}, client=client.pk)
    settle_down()
    answer(client)
    answer(other)

    own.delete()
    watch()

    assert sent()[2:] == [(client.pk, own.version + 1, {"of": "all"})]
    answer(client)
    watch()
    assert len(sent()) == 3
    assert standing(Configuration.objects.get(pk=default.pk)) == {"IN_STEP": ""}


def test_labels_that_change_change_the_document(node: StreamNode) -> None:
    client = come(node)
    set_configuration({"of": "eu"}, label="region=eu")
    settle_down()

    client.labels = {"region": "eu"}
    client.save()

    assert [document["of"] for _, _, document in sent()] == ["eu"]


def test_a_client_of_the_first_contract_is_left_alone(node: StreamNode) -> None:
    come(node, capabilities=["journal"])
    made = set_configuration({"limit": 1})
    settle_down()
    watch()

    assert sent() == []
    assert standing(made) == {DriftStatus.UNSUPPORTED.name: ""}


SCHEMA = {"type": "object", "properties": {"limit": {"type": "integer", "minimum": 0}}}
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "against the schema": ("document", {"document": {"limit": -1}}),
    "no object": ("document", {"document": [1]}),
    "too long": ("document", {"document": {"text": "x" * 70_000}}),
    "no label": ("label", {"label": "region"}),
    "no name of a label": ("label", {"label": "1=2"}),
    "there is one already": ("label", {"label": "region=eu"}),
    "no such client": ("client", {"client": str(uuid4())}),
}
cases = pytest.mark.parametrize(("field", "values"), BAD.values(), ids=BAD.keys())


@pytest.fixture
def schema(settings: Any) -> None:
    settings.CRYPTO_CONFIG_SCHEMA = SCHEMA


@pytest.fixture
def root(transactional_db: None) -> User:
    return User.objects.create_superuser("root", password="root")


@cases
def test_bad_input_in_rest(field: str, values: dict[str, Any], schema: None, root: User) -> None:
    set_configuration({}, label="region=eu")
    api = APIClient()
    api.force_authenticate(root)

    refused = api.post("/api/crypto/configurations/", {"document": {"limit": 1}, **values})

    assert refused.status_code == 400, refused.content
    assert list(refused.json()["error"]["fields"]) == [field]
    assert Configuration.objects.count() == 1


@cases
def test_bad_input_in_the_admin(field: str, values: dict[str, Any], schema: None, root: User) -> None:
    set_configuration({}, label="region=eu")
    browser = Browser()
    browser.force_login(root)
    form = {"document": {"limit": 1}, **values}
    texts = {name: json.dumps(v) if isinstance(v, dict | list) else v for name, v in form.items()}

    refused = browser.post(reverse("admin:crypto_configuration_add"), texts)

    assert refused.status_code == 200
    assert list(refused.context["adminform"].form.errors) == [field]
    assert Configuration.objects.count() == 1


def test_bad_input_in_code_and_on_the_command_line(
    schema: None, tmp_path: Path, transactional_db: None
) -> None:
    file = tmp_path / "document.json"
    file.write_text('{"limit": "high"}')

    with pytest.raises(InvalidParameters, match=r"document: \$.limit"):
        set_configuration({"limit": "high"})
    with pytest.raises(InvalidParameters, match="label"):
        Configuration(document={}, label="x").save()
    with pytest.raises(CommandError, match=r"document: \$.limit"):
        call_command("configuration", "set", str(file))
    with pytest.raises(CommandError, match="client"):
        call_command("configuration", "set", "--client", str(uuid4()), str(file))

    assert not Configuration.objects.exists()


def test_rest_admin_and_command_line_all_send(node: StreamNode, root: User, tmp_path: Path) -> None:
    client = come(node)
    api, browser, out = APIClient(), Browser(), StringIO()
    api.force_authenticate(root)
    browser.force_login(root)

    made = api.post(
        "/api/crypto/configurations/", {"client": str(client.pk), "document": {"by": "rest"}}
    ).json()
    settle_down()
    page = reverse("admin:crypto_configuration_change", args=[made["id"]])
    assert browser.get(page).status_code == 200
    browser.post(page, {"client": str(client.pk), "document": '{"by": "admin"}'})
    settle_down()
    (tmp_path / "document.json").write_text('{"by": "cli"}')
    call_command(
        "configuration",
        "set",
        "--client",
        str(client.pk),
        str(tmp_path / "document.json"),
        "--json",
        stdout=out,
    )
    settle_down()

    assert [document["by"] for _, _, document in sent()] == ["rest", "admin", "cli"]
    states = CommandLog.objects.order_by("created_at").values_list("state", flat=True)
    assert list(states) == [State.SUPERSEDED, State.SUPERSEDED, State.QUEUED]
    detail = api.get(f"/api/crypto/configurations/{made['id']}/").json()
    assert (detail["version"], detail["clients"]) == (json.loads(out.getvalue())["version"], {"SENDING": 1})
    (member,) = api.get(f"/api/crypto/configurations/{made['id']}/clients/").json()["results"]
    assert (member["client"], member["standing"]) == (str(client.pk), "SENDING")
    call_command("configuration", "show", "--client", str(client.pk), stdout=out)
    assert browser.get(reverse("admin:crypto_configuration_changelist")).status_code == 200


def test_who_may_not_send_it_may_not_change_it(transactional_db: None) -> None:
    user = User.objects.create_user("ann")
    user.user_permissions.add(Permission.objects.get(codename="add_configuration"))
    api = APIClient()
    api.force_authenticate(User.objects.get(pk=user.pk))

    assert api.post("/api/crypto/configurations/", {"document": {}}).status_code == 403
