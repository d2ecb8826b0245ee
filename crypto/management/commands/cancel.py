import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from crypto.management.ledger_row import add_id, find
from crypto.management.one_line import OneLineCommand
from crypto.services.ledger.cancel import cancel

OVER = 5
"""Exit code for a command that had ended before."""


class Command(OneLineCommand):
    help = "Cancels a command: at once if it waits; if it was sent, unless its ack comes in time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_id(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        row = find(options["id"])
        canceled = cancel([row.pk], getpass.getuser())
        row.refresh_from_db()
        if canceled.over:
            raise CommandError(f"it has ended already: {row.get_state_display()}", returncode=OVER)
        self.stdout.write(
            f"{row.pk} is canceled"
            if canceled.ended
            else f"{row.pk} is under way: an ack in time still counts, else it ends canceled"
        )
