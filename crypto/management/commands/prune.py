import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from crypto.management.one_line import OneLineCommand
from crypto.models import clock
from crypto.services.ledger.prune import old

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
BATCH = 1_000


class Command(OneLineCommand):
    help = (
        "Deletes what is older than the retention: ended commands, client logs and errors, nodes long gone. "
        "Open commands stay whatever their age; commands of operations lose their history only."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than", type=_age, required=True, metavar="AGE", help="30d, 12h, 90m or 4w"
        )
        parser.add_argument(
            "--history-only", action="store_true", help="keep the commands and delete their histories"
        )
        parser.add_argument("--dry-run", action="store_true", help="count and delete nothing")
        parser.add_argument(
            "--batch", type=_count, default=BATCH, metavar="N", help=f"rows of one transaction ({BATCH})"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        before = clock.now() - options["older_than"]
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(file=cast(Any, self.stdout), force_terminal=self.stdout.isatty())
        pruned: dict[str, int] = {}
        with Progress(*columns, console=console, disable=not self.stdout.isatty()) as progress:
            for each in old(before, options["history_only"]):
                pruned[each.what] = total = each.rows.count()
                if options["dry_run"]:
                    continue
                task = progress.add_task(each.what, total=total)
                for done in each.prune(options["batch"]):
                    progress.advance(task, done)
        verb = "would go" if options["dry_run"] else "gone"
        for what, number in pruned.items():
            self.stdout.write(f"{number} {what} {verb}")


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([mhdw])", text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not an age like 30d, 12h, 90m or 4w")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise ArgumentTypeError(f"{text!r} is not a number between 1 and 10000")
    return int(text)
