"""Every line that README and docs/ tell their reader to type, typed into a copy of the repository."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.handbook import MARK, Kind, Step, matches, steps
from tests.support.installation import Ports
from tests.support.processes import ROOT, Process

pytestmark = pytest.mark.slow

DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
DEFAULTS = Ports(web=8000, grpc=50051, redis=6390)
RUN = "make run"
ELSEWHERE = {
    "make test": "this very run",
    "make help": "says what the Makefile says",
    ".venv/bin/pip install -e '.[evm]'": "part of what tests install",
    "python -m crypto.agent --server 127.0.0.1:50051 --id ID --connector evm --connector-options evm.json": (
        "tests/acceptance/test_chain.py"
    ),
}
"""Lines for a terminal of their own that no test types here, and who runs what they run."""
LEFT_OUT = (".git", ".venv", "var", "build", ".hypothesis", "*cache*")
STARTED = 120.0
TYPED = 300.0
"""Seconds all lines of one document may take."""
OWN = (
    "DATABASE_URL",
    "REDIS_URL",
    "STREAMING_ADDRESS",
    "DATA_DIR",
    "DJANGO_SETTINGS_MODULE",
    "MAKEFLAGS",
    "MAKELEVEL",
)


class Reader:
    """Sits before a fresh copy of the repository and types."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.ports = Ports.free()
        copy_repository(place)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in OWN}
        return inherited | {"COLUMNS": "100", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}

    @contextmanager
    def running(self) -> Iterator[None]:
        """What `make run` starts, on free ports."""
        log = self.place / "up.log"
        log.unlink(missing_ok=True)
        argv = [".venv/bin/python", "manage.py", "up", "--fleet=20", *self.ports.options]
        with Process(argv, self.environment, log, cwd=self.place) as process:
            process.wait_for_text("Ctrl-C stops everything", STARTED)
            yield
            process.signal(signal.SIGINT)
            assert process.popen.wait(60) == 0, process.text

    def type(self, typed: list[Step]) -> dict[Step, tuple[int, str]]:
        """Exit code and output of each step, all typed into one shell."""
        lines = [". var/env.sh", "said=0"]
        for number, step in enumerate(typed):
            lines += [
                f"printf '{MARK}begin {number}\\n'",
                "(exit $said)",
                step.script,
                f"said=$?; printf '{MARK}end %d\\n' $said",
            ]
        done = subprocess.run(
            ["bash"], input="\n".join(lines), cwd=self.place, env=self.environment, timeout=TYPED,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        found = {}
        pattern = rf"{MARK}begin (\d+)\n(.*?){MARK}end (\d+)\n"
        for number, printed, code in re.findall(pattern, done.stdout, re.DOTALL):
            found[typed[int(number)]] = (int(code), self._as_by_default(printed))
        assert len(found) == len(typed), done.stdout
        return found

    def _as_by_default(self, printed: str) -> str:
        for role, port in vars(self.ports).items():
            printed = re.sub(rf"\b{port}\b", str(getattr(DEFAULTS, role)), printed)
        return printed.replace(str(self.place), "/home/me/orchestrator")


def copy_repository(place: Path) -> None:
    """As a clone would have it, with this interpreter's environment as its `.venv`."""
    shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(*LEFT_OUT))
    environment = place / ".venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith("."):
            (environment / entry.name).symlink_to(entry)
    for installed in (".server", ".dev"):
        (environment / installed).touch()


def sessions(document: Path) -> list[list[Step]]:
    """What is typed between two starts of the installation."""
    typed = [
        step for step in steps(document) if step.text == RUN or step.kind not in (Kind.SHELL, Kind.QUOTED)
    ]
    groups = groupby(typed, key=lambda step: step.kind is Kind.SHELL)
    return [list(group) for starts, group in groups if not starts]


def changes_code(document: Path) -> bool:
    return any(step.kind is Kind.APPLIED for step in steps(document))


def check(document: Path, found: dict[Step, tuple[int, str]]) -> None:
    wrong = []
    for step, following in zip(found, [*list(found)[1:], None], strict=True):
        code, printed = found[step]
        asked = following is not None and following.text == "echo $?"
        where = f"{document.relative_to(ROOT)}:{step.line}: {step.text}"
        if code and not asked:
            wrong.append(f"{where}\nended with {code}:\n{printed}")
        elif step.expected and not matches(step.expected, printed):
            wrong.append(f"{where}\nprinted:\n{printed}\nbut is said to print:\n{step.expected}")
    assert not wrong, "\n\n".join(wrong)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(tmp_path_factory.mktemp("docs") / "orchestrator")
    with reader.running():
        yield reader


def named(document: Path) -> str:
    return document.stem


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if not changes_code(d)], ids=named)
def test_what_is_typed_prints_what_is_said(document: Path, reader: Reader) -> None:
    typed = [step for session in sessions(document) for step in session]
    if typed:
        check(document, reader.type(typed))


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if changes_code(d)], ids=named)
def test_what_changes_the_code_works_after_a_new_start(document: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "orchestrator")
    for session in sessions(document):
        with reader.running():
            check(document, reader.type(session))


def test_what_is_typed_elsewhere_is_run_elsewhere() -> None:
    shell = {step.text for document in DOCUMENTS for step in steps(document) if step.kind is Kind.SHELL}
    assert shell - {RUN} == ELSEWHERE.keys()


def test_what_is_quoted_stands_there() -> None:
    for document in DOCUMENTS:
        for step in steps(document):
            if step.kind is Kind.QUOTED:
                there = {line.strip() for line in (ROOT / step.note).read_text().splitlines()}
                missing = [line for line in step.text.splitlines() if line.strip() not in {*there, ""}]
                assert not missing, f"{document.name}:{step.line}: not in {step.note}: {missing}"


def test_every_variable_of_the_environment_is_described() -> None:
    names = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+|DEBUG|HTTPS)"', (ROOT / "project/env.py").read_text()))
    described = (ROOT / "docs/operations.md").read_text()
    assert {name for name in names if f"`{name}`" not in described} == set()


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
