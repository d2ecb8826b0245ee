"""What does not fit is refused at save with its field named, in code, REST, admin and on the command line alike."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client as Browser
from django.urls import reverse
from rest_framework.test import APIClient

from crypto.exceptions import InvalidParameters
from crypto.models import Operation, Schedule

pytestmark = pytest.mark.django_db

GOOD = {"name": "nightly", "command": "ping", "cron": "0 3 * * *", "time_zone": "Europe/Berlin"}
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "a day that does not exist": ("cron", {"cron": "0 0 30 2 *"}),
    "no cron": ("cron", {"cron": "every night"}),
    "drawn by lot": ("cron", {"cron": "R 3 * * *"}),
    "neither cron nor interval": ("cron", {"cron": ""}),
    "cron and interval": ("cron", {"interval": 60}),
    "a zone that does not exist": ("time_zone", {"time_zone": "Europe/Atlantis"}),
    "a zone that is a path": ("time_zone", {"time_zone": "../../etc/passwd"}),
    "an unknown field in the selector": ("selector", {"selector": {"colour": "blue"}}),
    "a selector that is none": ("selector", {"selector": {"all": "yes"}}),
    "parameters that the command refuses": ("params", {"params": {"sequence": "one"}}),
    "parameters that it does not have": ("params", {"params": {"loud": True}}),
    "no such command": ("command", {"command": "dance"}),
    "an end before the start": ("end", {"start": "2031-01-02T00:00:00Z", "end": "2031-01-01T00:00:00Z"}),
    "over before it begins": ("end", {"end": "2021-01-01T00:00:00Z"}),
    "never within its window": ("cron", {"window_start": "12:00", "window_end": "13:00"}),
    "half a window": ("window_end", {"window_start": "12:00"}),
    "more jitter than there is between runs": ("jitter", {"cron": "* * * * *", "jitter": 60}),
    "an interval of nothing": ("interval", {"cron": "", "interval": 0}),
    "no name": ("name", {"name": ""}),
    "a name twice": ("name", {"name": "taken"}),
}

cases = pytest.mark.parametrize(("field", "values"), BAD.values(), ids=BAD.keys())


@pytest.fixture(autouse=True)
def taken() -> Schedule:
    made = Schedule(name="taken", command="ping", interval=60)
    made.save()
    return made


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password="root")


@cases
def test_rest(field: str, values: dict[str, Any], root: User) -> None:
    api = APIClient()
    api.force_authenticate(root)

    answer = api.post("/api/crypto/schedules/", {**GOOD, **values})

    assert answer.status_code == 400, answer.content
    assert list(answer.json()["error"]["fields"]) == [field]
    assert Schedule.objects.count() == 1


@cases
def test_admin(field: str, values: dict[str, Any], root: User) -> None:
    browser = Browser()
    browser.force_login(root)
    texts = {name: json.dumps(v) if isinstance(v, dict) else str(v) for name, v in {**GOOD, **values}.items()}
    form = {"params": "{}", "selector": '{"all": true}', "missed": "skip", "overlap": "skip", "jitter": "0"}
    for name in ("start", "end"):
        if name in texts:
            texts[f"{name}_0"], texts[f"{name}_1"] = texts.pop(name).rstrip("Z").split("T")

    answer = browser.post(reverse("admin:crypto_schedule_add"), {**form, "enabled": "on", **texts})

    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [field]
    assert Schedule.objects.count() == 1


@cases
def test_command_line(field: str, values: dict[str, Any]) -> None:
    asked = {**GOOD, **values}
    argv = [asked.pop("name"), asked.pop("command")]
    for name, value in asked.pop("params", {}).items():
        argv.append(f"--param={name}={value}")
    if "selector" in asked:
        argv.append(f"--selector={json.dumps(asked.pop('selector'))}")
    if "window_start" in asked:
        argv.append(f"--window={asked.pop('window_start')}-{asked.pop('window_end', '')}")
        field = {"window_end": "--window"}.get(field, field)
    argv += [f"--{name.replace('_', '-')}={value}" for name, value in asked.items() if value != ""]

    with pytest.raises(CommandError) as refused:
        call_command("schedule", "add", *argv, stdout=StringIO())

    spelled = {"params": "sequence" if "sequence" in str(values) else "loud", "command": "COMMAND"}
    expected = spelled.get(field, field)
    assert expected in str(refused.value)
    assert Schedule.objects.count() == 1


def test_code(taken: Schedule) -> None:
    taken.cron, taken.interval = "0 0 30 2 *", None

    with pytest.raises(InvalidParameters, match="cron: Never comes"):
        taken.save()

    assert Schedule.objects.get().interval == 60


def test_who_may_not_send_a_command_may_not_schedule_it(root: User, taken: Schedule) -> None:
    user = User.objects.create_user("ann")
    for codename in ("add_schedule", "change_schedule", "delete_schedule", "view_schedule", "send_ping"):
        user.user_permissions.add(Permission.objects.get(codename=codename))
    api = APIClient()
    api.force_authenticate(User.objects.get(pk=user.pk))
    address = f"/api/crypto/schedules/{taken.pk}/"

    assert api.post("/api/crypto/schedules/", GOOD).status_code == 201
    assert api.post("/api/crypto/schedules/", {**GOOD, "name": "r", "command": "restart"}).status_code == 403
    assert api.patch(address, {"command": "restart"}).status_code == 403
    Schedule.objects.filter(pk=taken.pk).update(command="restart")
    assert api.patch(address, {"command": "ping"}).status_code == 403
    assert api.post(f"{address}run/").status_code == 403
    assert not Operation.objects.exists()


def test_the_rest_of_a_life(root: User) -> None:
    api = APIClient()
    api.force_authenticate(root)
    made = api.post("/api/crypto/schedules/", GOOD).json()
    address = f"/api/crypto/schedules/{made['id']}/"

    assert len(made["next_runs"]) == 5
    assert made["problem"] == ""
    started = api.post(f"{address}run/")
    assert started.status_code == 202
    assert api.get(address).json()["last_runs"][0]["operation"] == started.json()["id"]
    assert api.patch(address, {"enabled": False}).json()["next_runs"] == []
    assert api.get("/api/crypto/schedules/?enabled=false").json()["count"] == 1
    assert api.delete(address).status_code == 204


def test_the_admin_shows_and_runs_it(root: User, taken: Schedule) -> None:
    browser = Browser()
    browser.force_login(root)
    page = reverse("admin:crypto_schedule_change", args=[taken.pk])
    form = {"name": "taken", "command": "ping", "interval": "60", "time_zone": "UTC", "enabled": "on"}
    more = {"params": "{}", "selector": '{"all": true}', "missed": "skip", "overlap": "skip", "jitter": "0"}

    assert browser.get(page).status_code == 200
    browser.post(page, {**form, **more, "crypto_schedule_run_now": "1"})

    operation = Operation.objects.get()
    assert (operation.source, operation.principal) == ("admin", "root")
    assert str(operation.pk) in browser.get(page).content.decode()
    assert browser.get(reverse("admin:crypto_schedule_changelist")).status_code == 200


def test_the_command_line_shows_runs_and_switches(taken: Schedule) -> None:
    def said(*argv: str) -> Any:
        out = StringIO()
        call_command("schedule", *argv, "--json", stdout=out)
        return json.loads(out.getvalue() or "null")

    said("add", "nightly", "sync_wallets", "--cron=0 3 * * *", "-p", "symbols=BTC", "--window=02:00-04:00")

    assert {each["name"] for each in said("list")} == {"taken", "nightly"}
    assert len(said("next", "nightly")) == 5
    assert said("run", "nightly")["operation"] == str(Operation.objects.get().pk)
    assert said("disable", "nightly")["next_runs"] == []
    assert len(said("enable", "nightly")["next_runs"]) == 5
    said("delete", "nightly")
    with pytest.raises(CommandError, match="no schedule 'nightly'"):
        said("next", "nightly")
