"""One run: start a world, command and break it, mend it, wait until it is quiet, and judge what it has left."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import checker
from tests.chaos.checker import Violation
from tests.chaos.collect import collect
from tests.chaos.evidence import OPEN, Evidence
from tests.chaos.faults import KINDS, schedule
from tests.chaos.injector import Injector
from tests.chaos.world import Scale, World

Say = Callable[[str], None]

CONNECTED_WITHIN = 90.0
QUIET_WITHIN = 150.0
"""Seconds after the last fault; the ledger's longest pause between two looks at an open row is a minute."""
SHOWN = 20
"""Violations that a report tells in full."""
REST = 2.0
"""Seconds that the ledger must stand still to count as quiet."""


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    seconds: float
    """How long commands flow and faults happen."""
    pause: float = 2.0
    """Seconds between faults on average."""
    rate: float = 20.0
    kinds: tuple[str, ...] = tuple(KINDS)
    scale: Scale = field(default_factory=Scale)
    database_url: str | None = None
    build: str | None = None
    quiet_within: float = QUIET_WITHIN


@dataclass(slots=True)
class Report:
    seed: int
    commands: int = 0
    states: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    deliveries: dict[str, int] = field(default_factory=dict)
    """Commands that reached an agent twice or out of order."""
    retries: int = 0
    late_acks: int = 0
    ran_again_after_crash: int = 0
    ended_by_themselves: list[str] = field(default_factory=list)
    seconds_to_quiet: float = 0.0
    quiet: bool = False
    violations: list[str] = field(default_factory=list)
    """The first of them, with the histories of their commands."""
    names: dict[str, int] = field(default_factory=dict)
    """Violations by name."""

    def document(self) -> dict[str, Any]:
        return asdict(self)


def run(plan: Plan, directory: Path, say: Say) -> Report:
    report = Report(plan.seed)
    world = World(directory, plan.seed, plan.scale, database_url=plan.database_url, build=plan.build)
    try:
        world.start()
        injector = Injector(world, say)
        ready = _wait(injector, lambda: world.ready and all_connected(world), CONNECTED_WITHIN)
        say("everything is ready" if ready else "not everything is ready, going on")
        break_it(world, injector, plan)
        say("everything is mended")
        mended = time.monotonic()
        report.quiet = come_to_rest(world, injector, plan.quiet_within)
        report.seconds_to_quiet = round(time.monotonic() - mended, 1)
        say(f"quiet: {report.quiet} after {report.seconds_to_quiet} s")
        presenting = present_journals(world, injector, plan.quiet_within)
        for fleet in world.fleets:
            fleet.stop()
        evidence = collect(world, presenting, report.quiet)
    finally:
        world.close()
    report.faults = dict(injector.done)
    report.ended_by_themselves = injector.ended_by_themselves
    stats = directory / "middleman.json"
    report.deliveries = json.loads(stats.read_text()) if stats.exists() else {}
    judge(report, evidence)
    return report


def break_it(world: World, injector: Injector, plan: Plan) -> None:
    world.command_rate = plan.rate
    world.commander.start()
    _wait(injector, lambda: (world.directory / "record").exists(), CONNECTED_WITHIN)
    injector.run(schedule(plan.seed, plan.seconds, plan.pause, plan.kinds), plan.seconds)
    world.commander.stop()


def all_connected(world: World) -> bool:
    clients = world.observer.ask("clients")
    return all(clients.get(client, {}).get("connected") for client in world.clients)


def come_to_rest(world: World, injector: Injector, seconds: float) -> bool:
    """Whether nothing is open any more, with all clients connected."""

    def at_rest() -> bool:
        before = world.observer.ask("totals")
        if before.keys() & OPEN or not all_connected(world):
            return False
        _pause(injector, REST)
        return bool(world.observer.ask("totals") == before)

    return _wait(injector, at_rest, seconds)


def present_journals(world: World, injector: Injector, seconds: float) -> frozenset[str]:
    """Has every client connect anew, and returns those that presented their journals in doing so."""
    before = world.observer.ask("clients")
    for proxy in world.agent_proxies:
        proxy.cut()

    def returned() -> bool:
        now = world.observer.ask("clients")
        return all(c["connected"] and c["epoch"] > before[id]["epoch"] for id, c in now.items())

    if not _wait(injector, returned, CONNECTED_WITHIN):
        return frozenset()
    come_to_rest(world, injector, seconds)
    return frozenset(id for id, client in before.items() if client["journal"])


def judge(report: Report, evidence: Evidence) -> None:
    violations: list[Violation] = checker.check(evidence)
    report.commands = len(evidence.rows)
    report.states = dict(Counter(row.state for row in evidence.rows))
    report.retries = sum(max(row.attempt - 1, 0) for row in evidence.rows)
    report.late_acks = sum(row.late for row in evidence.rows)
    runs = Counter((effect.client, effect.command) for effect in evidence.effects)
    report.ran_again_after_crash = sum(count - 1 for count in runs.values())
    report.violations = [checker.tell(evidence.rows, violation) for violation in violations[:SHOWN]]
    report.names = checker.by_name(violations)


def _wait(injector: Injector, condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        _pause(injector, 0.3)
    return False


def _pause(injector: Injector, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        injector.step()
        time.sleep(0.05)
