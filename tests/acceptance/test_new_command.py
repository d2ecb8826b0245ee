"""A new command is its message in the proto and one file: REST, clients, agents, CLI and admin have it then."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT, environment

SOURCE = '''
from dataclasses import dataclass

from crypto.commands.base import Command, register
from crypto.commands.parameters import flag, text


@register
@dataclass(frozen=True)
class Lock(Command):
    """Lock the client's keys away."""

    name = "lock"
    method = "lock_client"
    label = "Lock keys"

    code: str = text(help="What unlocks them.", max_length=8)
    hard: bool = flag(help="Whether to forget them.")
'''
MESSAGE = """
message LockClientCommand {
  string code = 1;
  bool hard = 2;
}
"""
LOOK_AROUND = """
import json
from asgiref.sync import iscoroutinefunction
import django
django.setup()
from django.contrib.admin import site
from drf_spectacular.generators import SchemaGenerator
from crypto.agent.agent import Agent
from crypto.commands import from_wire, registry
from crypto.grpc.services.commands import StreamingCommandClient
from crypto.models import CommandLog
from crypto.services.permissions import permission

class LockSmith(Agent):
    def on_lock(self, command):
        return None

operation = SchemaGenerator().get_schema(public=True)["paths"]["/api/crypto/commands/{id}/lock/"]["post"]
schema = operation["requestBody"]["content"]["application/json"]["schema"]
lock = registry["lock"]
methods = [StreamingCommandClient.lock_client, StreamingCommandClient.lock_client_sync]
print(json.dumps({
    "summary": operation["summary"],
    "code": schema["properties"]["code"],
    "methods": [iscoroutinefunction(method) for method in methods],
    "agent": [LockSmith().handler("lock") is not None, "lock" in LockSmith().capabilities()],
    "admin": site.get_model_admin(CommandLog).asked(CommandLog(command="lock")),
    "permission": permission(lock),
    "wire": from_wire(lock(code="1234").to_wire("00000000-0000-0000-0000-000000000001")).params,
}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a command more."""
    tree = tmp_path_factory.mktemp("tree")
    for part in ("crypto", "project", "workers", "proto"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", tree / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("manage.py", "pyproject.toml"):
        shutil.copy(ROOT / file, tree)
    proto = tree / "proto/crypto/wire/crypto_streaming.proto"
    field = "oneof command {\n"
    text = proto.read_text()
    assert text.count(field) == 1
    proto.write_text(text.replace(field, f"{field}    LockClientCommand lock = 99;\n") + MESSAGE)
    (tree / "crypto/commands/lock.py").write_text(SOURCE)
    protoc = (
        "-m",
        "grpc_tools.protoc",
        "-Iproto",
        "--python_out=.",
        "proto/crypto/wire/crypto_streaming.proto",
    )
    assert run(tree, *protoc).returncode == 0
    return tree


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = environment(
        tree / "var", DJANGO_SETTINGS_MODULE="project.settings", LOG_LEVEL="ERROR", PYTHONPATH=str(tree)
    )
    argv = [sys.executable, *arguments]
    return subprocess.run(argv, cwd=tree, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_it_is_in_rest_clients_agents_and_admin(tree: Path) -> None:
    done = run(tree, "-c", LOOK_AROUND)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen == {
        "summary": "Lock keys",
        "code": {"type": "string", "maxLength": 8, "description": "What unlocks them."},
        "methods": [True, True],
        "agent": [True, True],
        "admin": "Lock keys",
        "permission": "crypto.send_lock",
        "wire": {"code": "1234", "hard": False},
    }


def test_it_is_a_verb_of_the_command_line(tree: Path) -> None:
    done = run(tree, "manage.py", "command", "lock", "--help")
    assert done.returncode == 0, done.stderr
    assert "Lock the client's keys away." in done.stdout
    assert "--hard" in done.stdout
    wrong = run(
        tree, "manage.py", "command", "lock", "00000000-0000-0000-0000-000000000001", "--code", "123456789"
    )
    assert (wrong.returncode, wrong.stderr.strip()) == (
        2,
        "CommandError: code: Must have at most 8 characters.",
    )


def test_the_tests_of_the_agent_hold_as_they_are(tree: Path) -> None:
    agent = ("tests/unit/agent/test_agent.py", "tests/integration/agent/test_commands.py")
    done = run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", *agent)
    assert done.returncode == 0, done.stdout


def test_a_file_without_its_field_fails_at_import(tree: Path) -> None:
    stray = tree / "crypto/commands/stray.py"
    stray.write_text(SOURCE.replace('name = "lock"', 'name = "stray"'))
    try:
        done = run(tree, "-c", "import crypto.commands")
    finally:
        stray.unlink()
    assert done.returncode == 1
    assert "DjangoCommand has no command field 'stray'" in done.stderr


def test_a_parameter_with_the_name_of_an_option_fails_at_import(tree: Path) -> None:
    file = tree / "crypto/commands/lock.py"
    proto = tree / "crypto/wire/crypto_streaming_pb2.py"
    before = proto.read_bytes()
    file.write_text(SOURCE.replace("code: str", "timeout: str"))
    source = tree / "proto/crypto/wire/crypto_streaming.proto"
    text = source.read_text()
    source.write_text(text.replace("string code = 1;\n  bool hard", "string timeout = 1;\n  bool hard"))
    protoc = (
        "-m",
        "grpc_tools.protoc",
        "-Iproto",
        "--python_out=.",
        "proto/crypto/wire/crypto_streaming.proto",
    )
    try:
        assert run(tree, *protoc).returncode == 0
        done = run(tree, "-c", "import django; django.setup(); import crypto.api.urls")
    finally:
        file.write_text(SOURCE)
        source.write_text(text)
        proto.write_bytes(before)
    assert "Lock: ['timeout'] mean something else in every call" in done.stderr
