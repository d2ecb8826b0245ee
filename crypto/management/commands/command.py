import getpass
import json
import time
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from crypto.commands import Command as CommandClass
from crypto.commands import parameters, registry
from crypto.exceptions import InvalidParameters, OrchestratorError
from crypto.management import show
from crypto.management.one_line import USAGE, OneLineCommand, OneLineParser
from crypto.management.parameter_options import add_parameter, given
from crypto.models import CommandLog, Offline, Source, State
from crypto.services.delivery.execute import execute_and_wait
from crypto.services.ledger.issue import CommandRequest, issue

EXIT_CODES = {
    State.SUCCEEDED: 0,
    State.FAILED: 1,
    State.REJECTED: 1,
    State.NOT_CONNECTED: 3,
    State.TIMED_OUT: 4,
    State.EXPIRED: 5,
    State.CANCELED: 5,
    State.SUPERSEDED: 5,
}
"""What the shell is told; beside them 2 for bad input, and 0 for what was queued without waiting."""
EXITS = (
    "Exit code: 0 succeeded (or queued, with --no-wait), 1 failed or rejected by the client, 2 bad input, "
    "3 not connected, 4 timed out (outcome unknown), 5 expired, canceled or superseded."
)
POLL = 0.2
"""Seconds between two looks at a queued command's row, which another process ends."""
QUEUE_ONLY = ("no_wait", "offline", "expires_in")
PARAMETER = "parameter "


class Command(OneLineCommand):
    help = "Sends one command to one client and waits for its end."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, epilog=EXITS, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=OneLineParser)
        for cls in registry.values():
            summary = (cls.__doc__ or cls.label).splitlines()[0]
            verb = verbs.add_parser(cls.name, help=summary, description=summary, epilog=EXITS)
            verb.add_argument("client_id", metavar="CLIENT_ID", help="the client's UUID")
            for name, parameter in parameters.of(cls).items():
                add_parameter(verb, PARAMETER, name, parameter)
            _add_options(verb, cls)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            request = _request(registry[options["verb"]], options)
            row = self._queued(request, options) if options["queue"] else _read(execute_and_wait(request).id)
        except OrchestratorError as error:
            raise CommandError(str(error), returncode=USAGE) from error
        self._show(row, as_json=options["json"])
        code = 0 if row.is_open else EXIT_CODES[State(row.state)]
        if code:
            raise SystemExit(code)

    def _queued(self, request: CommandRequest, options: dict[str, Any]) -> CommandLog:
        row = issue(request)
        if options["no_wait"]:
            return row
        try:
            return _follow(row.pk)
        except KeyboardInterrupt:
            raise CommandError(f"no longer waiting; {row.pk} goes on", returncode=130) from None

    def _show(self, row: CommandLog, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(_described(row), cls=DjangoJSONEncoder))
        else:
            facts = {name: value for name, value in _described(row).items() if name != "success"}
            show.facts(self.stdout, facts | {"state": State(row.state).label})


def _add_options(verb: ArgumentParser, cls: type[CommandClass]) -> None:
    options = verb.add_argument_group("delivery")
    options.add_argument(
        "--timeout", type=float, metavar="S", help=f"seconds to wait for the client's ack ({cls.timeout:g})"
    )
    options.add_argument("--queue", action="store_true", help="send it through a worker, with its retries")
    options.add_argument("--no-wait", action="store_true", help="with --queue: do not wait for its end")
    options.add_argument(
        "--offline",
        choices=[Offline.FAIL.value, Offline.QUEUE.value],
        help="with --queue: what becomes of it while the client is not connected (fail)",
    )
    options.add_argument(
        "--expires-in", type=float, metavar="S", help="with --queue: seconds after which it is not delivered"
    )
    options.add_argument("--json", action="store_true", help="print one JSON object")


def _request(cls: type[CommandClass], options: dict[str, Any]) -> CommandRequest:
    """What the command line asks for. Raises InvalidParameters."""
    for option in QUEUE_ONLY:
        if options[option] and not options["queue"]:
            raise InvalidParameters({f"--{option.replace('_', '-')}": ["Only with --queue."]})
    return CommandRequest(
        client_id=_uuid(options["client_id"]),
        command=cls.parse_text(given(PARAMETER, options)),
        source=Source.CLI,
        principal=getpass.getuser(),
        offline=Offline(options["offline"] or Offline.FAIL),
        timeout=options["timeout"],
        expires_in=_seconds(options["expires_in"]),
    )


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidParameters({"client_id": [f"{text!r} is not a UUID."]}) from None


def _seconds(value: float | None) -> timedelta | None:
    try:
        return None if value is None else timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise InvalidParameters({"expires_in": [f"{value} is no number of seconds."]}) from None


def _read(id: UUID) -> CommandLog:
    return CommandLog.objects.select_related("client").get(pk=id)


def _follow(id: UUID) -> CommandLog:
    while (row := _read(id)).is_open:
        time.sleep(POLL)
    return row


def _described(row: CommandLog) -> dict[str, Any]:
    return {
        "command_id": row.pk,
        "client": row.client.name,
        "client_id": row.client_id,
        "command": row.command,
        "state": row.state,
        "success": row.state == State.SUCCEEDED,
        "reason": row.reason,
        "message": row.ack_message,
        "error": row.ack_error,
        "status": row.ack_status,
        "data": row.ack_data,
        "attempt": row.attempt,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }
