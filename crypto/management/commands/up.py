import asyncio
import fcntl
import json
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from crypto.management import first_steps, fleet, installation, shell_file
from crypto.management.one_line import OneLineCommand
from crypto.supervisor import probes
from crypto.supervisor.journal import Journal
from crypto.supervisor.roles import Installation
from crypto.supervisor.supervisor import Supervisor

USAGE = 2
"""Exit code for what the caller can change: a taken port, a second start."""


class Command(OneLineCommand):
    help = "Starts the whole installation and keeps it running until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        installation.add_arguments(parser)
        parser.add_argument("--quiet", action="store_true", help="do not show what the services print")
        parser.add_argument("--json", action="store_true", help="print addresses and login as one JSON line")

    def handle(self, *args: Any, **options: Any) -> None:
        here = installation.describe(settings.DATA_DIR, settings.REDIS_URL, options)
        with _only_one(settings.DATA_DIR):
            for role, port in installation.listeners(here, options):
                if probes.is_taken(port):
                    raise CommandError(
                        f"Port {port} is taken; choose another one with --port-{role}.", returncode=USAGE
                    )
            code = self._run(here, options)
        if code:
            raise SystemExit(code)

    def _run(self, here: Installation, options: dict[str, Any]) -> int:
        stages = installation.stages(here, options)
        journal = Journal([service.name for stage in stages for service in stage], quiet=options["quiet"])
        journal.say(installation.broker_in_words(here))
        call_command("migrate", interactive=False, verbosity=0)
        account = first_steps.ensure_account(settings.DATA_DIR)
        first_steps.ensure_schedule(settings.DATA_DIR)
        connections.close_all()

        async def announce() -> None:
            client_id = await asyncio.to_thread(fleet.some_client)
            known = (here.url, here.streaming_address, account, client_id)
            file = shell_file.spoken(shell_file.keep(here, account, client_id))
            as_json = json.dumps(first_steps.as_json(*known)) if options["json"] else None
            self.stdout.write(as_json or first_steps.as_text(*known, file))
            self.stdout.flush()

        return asyncio.run(Supervisor(stages, settings.BASE_DIR, journal).run(announce))


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Two installations on one data directory would write over each other."""
    with (data_dir / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"Already running on {data_dir}; set DATA_DIR to run another one.", returncode=USAGE
            ) from None
        yield
