import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from crypto.management import show
from crypto.management.one_line import OneLineCommand
from crypto.services.fleet.lane_load import LaneLoad, lane_loads


class Command(OneLineCommand):
    help = "Shows how busy each lane is: commands waiting and in flight, the age of the oldest, workers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON array")

    def handle(self, *args: Any, **options: Any) -> None:
        loads = lane_loads()
        if options["json"]:
            self.stdout.write(json.dumps([asdict(load) for load in loads]))
        else:
            columns = ("LANE", "WAITING", "IN FLIGHT", "OLDEST", "WORKERS")
            show.table(self.stdout, columns, (_row(load) for load in loads))


def _row(load: LaneLoad) -> tuple[object, ...]:
    return load.lane, load.waiting, load.in_flight, f"{load.oldest_seconds:.1f} s", load.workers
