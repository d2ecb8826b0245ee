"""`python -m bench`: every row beside its floor of the same run."""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import grpc
from rich.console import Console
from rich.table import Table

from bench.row import Row
from bench.rows import QUICK, ROWS, Measuring, Plan
from bench.stack import Stack
from tests.support.postgres import server_url

LATEST = Path(__file__).parent / "latest.json"
DATABASES = ("sqlite", "postgres")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", default=",".join(ROWS), help=f"which of {', '.join(ROWS)} (all)")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--rounds", type=int, help="rounds of each, in turn (5)")
    parser.add_argument("--quick", action="store_true", help="few clients and short: do the rows still run?")
    parser.add_argument("--json", type=Path, help=f"where the figures go ({LATEST.name} here, unless quick)")
    chosen = parser.parse_args()
    unknown = set(chosen.rows.split(",")) - set(ROWS)
    if unknown:
        parser.error(f"--rows: there is no {', '.join(sorted(unknown))}")
    return chosen


def main() -> int:
    chosen = options()
    plan = QUICK if chosen.quick else Plan()
    if chosen.rounds:
        plan = replace(plan, rounds=chosen.rounds)
    databases = DATABASES if chosen.database == "both" else (chosen.database,)
    rows: list[Row] = []
    progress = Console(stderr=True)
    for database in databases:
        for row in measure(database, plan, frozenset(chosen.rows.split(","))):
            progress.print(f"{row.database}: {row.name}: {row.ratio:.2f}", style="dim", highlight=False)
            rows.append(row)
    Console(width=None if sys.stdout.isatty() else 120).print(table(rows))
    target = chosen.json or (None if chosen.quick else LATEST)
    if target is not None:
        target.write_text(json.dumps(document(rows), indent=1) + "\n")
    return 0


def measure(database: str, plan: Plan, wanted: frozenset[str]) -> Iterator[Row]:
    url = server_url() if database == "postgres" else None
    with (
        tempfile.TemporaryDirectory(prefix="orchestrator-bench-") as directory,
        Stack(Path(directory), url) as stack,
    ):
        yield from Measuring(stack, database, plan, wanted).rows()


def table(rows: list[Row]) -> Table:
    shown = Table("", "row", "ours", "floor", "unit", "ratio", "to reach", "")
    for row in rows:
        verdict = {None: "", True: "reached", False: "missed"}[row.met]
        ours, floor = (f"{median(values):,.4g}" for values in (row.ours, row.floor))
        shown.add_row(row.database, row.name, ours, floor, row.unit, f"{row.ratio:.2f}", row.target, verdict)
    return shown


def document(rows: list[Row]) -> dict[str, object]:
    return {
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "grpcio": grpc.__version__,
            "load": [round(load, 1) for load in os.getloadavg()],
        },
        "rows": [row.document() for row in rows],
    }


if __name__ == "__main__":
    sys.exit(main())
