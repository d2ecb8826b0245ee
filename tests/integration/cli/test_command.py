"""`manage.py command` and `manage.py clients` as processes: what they print and how they exit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command, execute_from_command_line
from django.core.management.base import CommandError

from crypto.commands import registry
from crypto.management.commands.command import EXIT_CODES
from crypto.models import Client, CommandLog, Source, State
from tests.integration.api.conftest import Scene
from tests.support.live import live_environment
from tests.support.processes import ROOT


def manage(data_dir: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "manage.py", *map(str, arguments)]
    env = live_environment(data_dir, LOG_LEVEL="ERROR")
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_outcomes_are_exit_codes(scene: Scene, absent: Client, tmp_path: Path) -> None:
    done = manage(tmp_path, "command", "pause", scene.willing, "--reason", "maintenance", "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["state"], told["success"], told["status"]) == ("SUCCEEDED", True, "PAUSED")
    row = CommandLog.objects.get(pk=told["command_id"])
    assert (row.params, row.source, bool(row.principal)) == ({"reason": "maintenance"}, Source.CLI, True)
    assert manage(tmp_path, "command", "ping", scene.refusing).returncode == 1
    assert manage(tmp_path, "command", "ping", absent.pk).returncode == 3
    assert manage(tmp_path, "command", "ping", scene.silent, "--timeout", "0.5").returncode == 4


def test_what_people_read(scene: Scene, tmp_path: Path) -> None:
    done = manage(tmp_path, "command", "request_status", scene.willing, "--include-stats")
    assert done.returncode == 0, done.stderr
    assert "succeeded" in done.stdout
    assert str(CommandLog.objects.get().pk) in done.stdout
    listed = manage(tmp_path, "clients", "--connected").stdout
    assert all(str(id) in listed for id in scene)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ping", "nope"), "'nope' is not a UUID"),
        (("ping", uuid4()), "there is no client"),
        (("ping", uuid4(), "--sequence", "x"), "sequence: Must be an integer"),
        (("ping", uuid4(), "--timeout", "0"), "timeout: Must lie between"),
        (("ping", uuid4(), "--timeout", "nan"), "timeout: Must lie between"),
        (("ping", uuid4(), "--offline", "queue"), "Only with --queue"),
        (("ping", uuid4(), "--queue", "--expires-in", "inf"), "expires_in"),
        (("ping", uuid4(), "--colour", "red"), "unrecognized arguments: --colour red"),
        (("pause", uuid4(), "--reason", "\udcff"), "reason: Must be text"),
        (("sync_wallets", uuid4(), "--symbols", "BTC,$$"), "symbols: Not a symbol"),
        (("ping",), "CLIENT_ID"),
        (("fly", uuid4()), "invalid choice: 'fly'"),
        ((), "VERB"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_bad_input_is_one_line_and_exit_code_two(
    capsys: pytest.CaptureFixture[str], arguments: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(SystemExit) as end:
        execute_from_command_line(["manage.py", "command", *map(str, arguments)])
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert not CommandLog.objects.exists()


def test_queued_without_waiting(absent: Client, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--queue", "--no-wait", "--offline", "queue", "--expires-in", "60", "--json")
    call_command("command", "pause", str(absent.pk), *options)
    told = json.loads(capsys.readouterr().out)
    row = CommandLog.objects.get(pk=told["command_id"])
    assert (row.state, row.offline) == (State.QUEUED, "queue")


def test_queued_and_followed_to_its_end(absent: Client, tmp_path: Path) -> None:
    """Nobody delivers here: the end is written by the test, as a worker would."""
    argv = [sys.executable, "manage.py", "command", "ping", str(absent.pk), "--queue", "--json"]
    env = live_environment(tmp_path)
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            while not CommandLog.objects.update(state=State.EXPIRED, due_at=None):
                assert process.poll() is None
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert json.loads(out)["state"] == "EXPIRED"
    assert process.returncode == 5


def test_every_end_has_an_exit_code() -> None:
    assert EXIT_CODES.keys() == set(State) - {State.QUEUED, State.SENT}


@pytest.mark.parametrize("verb", registry)
def test_every_command_has_help_that_tells_the_exit_codes(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call_command("command", verb, "--help")
    told = " ".join(capsys.readouterr().out.split())
    assert (registry[verb].__doc__ or "") in told
    assert "4 timed out (outcome unknown)" in told


@pytest.mark.django_db(transaction=True)
def test_clients_are_filtered_and_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    Client.objects.create(name="a\x1b[31m", status="PAUSED")
    Client.objects.create(name="b")
    call_command("clients", "--json", "--status", "paused")
    assert [client["name"] for client in json.loads(capsys.readouterr().out)] == ["a\x1b[31m"]
    call_command("clients")
    assert "\x1b" not in capsys.readouterr().out
    with pytest.raises(CommandError):
        call_command("clients", "--status", "great")
