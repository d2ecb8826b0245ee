"""`python -m tests.chaos`: a long run, or many."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.faults import KINDS
from tests.chaos.run import Plan, run
from tests.chaos.sabotage import BUILDS
from tests.chaos.world import Scale
from tests.support.postgres import new_database


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1, help="this many, with seeds from --seed on")
    parser.add_argument("--seconds", type=float, default=300, help="of commands and faults (300)")
    parser.add_argument("--pause", type=float, default=2, help="seconds between faults on average (2)")
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--schedulers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=20, help="acts of the commander a second (20)")
    parser.add_argument("--faults", nargs="*", choices=KINDS, default=list(KINDS), metavar="KIND")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL from its wheel, not SQLite")
    parser.add_argument("--build", choices=BUILDS, help="run this deliberately broken build")
    parser.add_argument("--directory", type=Path, help="where logs and data go (a temporary one)")
    parser.add_argument("--report", type=Path, help="write the reports here as JSON")
    return parser.parse_args()


def main() -> int:
    chosen = options()
    scale = Scale(chosen.clients, chosen.nodes, chosen.workers, chosen.schedulers)
    directory = chosen.directory or Path(tempfile.mkdtemp(prefix="chaos-"))
    reports = []
    for seed in range(chosen.seed, chosen.seed + chosen.runs):
        begin = time.monotonic()

        def say(text: str, begin: float = begin, seed: int = seed) -> None:
            print(f"{seed} {time.monotonic() - begin:7.1f} {text}", file=sys.stderr, flush=True)

        say(f"logs and data in {directory / str(seed)}")
        (directory / str(seed)).mkdir(parents=True)
        plan = Plan(
            seed, chosen.seconds, chosen.pause, chosen.rate, tuple(chosen.faults), scale,
            new_database(f"chaos_{seed}") if chosen.postgres else None, chosen.build,
        )  # fmt: skip
        report = run(plan, directory / str(seed), say)
        reports.append(report)
        say(f"violations: {report.names or 'none'}")
        print(json.dumps(report.document(), indent=2), flush=True)
    if chosen.report:
        chosen.report.parent.mkdir(parents=True, exist_ok=True)
        chosen.report.write_text(json.dumps([report.document() for report in reports], indent=2) + "\n")
    return 1 if any(report.names or not report.quiet for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
