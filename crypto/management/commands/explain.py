import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from crypto.management.ledger_row import add_id, find
from crypto.management.one_line import OneLineCommand
from crypto.management.show import harmless
from crypto.services.fleet.explain import explain


class Command(OneLineCommand):
    help = "Says in one sentence why a command is not done and what would unblock it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_id(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        explanation = explain(find(options["id"]))
        self.stdout.write(
            json.dumps(asdict(explanation)) if options["json"] else harmless(explanation.sentence)
        )
