"""Short runs: a sound build survives every kind of fault, and broken builds are caught, each by name."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.faults import KINDS, schedule
from tests.chaos.run import Plan, Report, run
from tests.chaos.world import Scale

pytestmark = pytest.mark.chaos

SMALL = Scale(clients=6, nodes=1, workers=1, schedulers=1)


def test_one_seed_is_one_schedule() -> None:
    assert schedule(7, 60, 2) == schedule(7, 60, 2) != schedule(8, 60, 2)
    first = [fault.kind for fault in schedule(7, 600, 2)][: len(KINDS)]
    assert set(first) == set(KINDS)


def test_the_ledger_tells_the_truth_under_every_fault(tmp_path: Path, chaos_database: str | None) -> None:
    plan = Plan(seed=1, seconds=30, pause=1.6, scale=Scale(clients=12), database_url=chaos_database)
    report = run(plan, tmp_path, print)
    assert report.names == {}, "\n".join(report.violations)
    assert report.quiet
    assert set(report.faults) == set(KINDS)
    assert report.commands > 100
    assert report.states["SUCCEEDED"] > report.commands / 4


CATCHES = [
    ("journal-off", (), "ran_twice"),
    ("acks-before-running", (), "succeeded_without_effect"),
    ("guard-off", ("rung_twice",), "illegal_arrow"),
    ("late-acks-dropped", ("agents_frozen",), "ack_dropped"),
    ("timeout-is-failure", ("agents_frozen",), "failed_with_effect"),
    ("sweeper-off", ("redis_emptied", "worker_killed"), "open_past_deadline"),
]
AT_ONCE = 3


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Report]]]:
    """A run of each broken build, some side by side: most of their time they wait."""

    def start(build: str, faults: tuple[str, ...]) -> Report:
        plan = Plan(seed=1, seconds=10, pause=1.5, kinds=faults, scale=SMALL, build=build, quiet_within=12.0)
        return run(plan, tmp_path_factory.mktemp(build), print)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield {build: threads.submit(start, build, faults) for build, faults, _ in CATCHES}


@pytest.mark.parametrize(("build", "name"), [(build, name) for build, _, name in CATCHES])
def test_a_broken_build_is_caught(broken: dict[str, Future[Report]], build: str, name: str) -> None:
    report = broken[build].result()
    assert name in report.names, report
