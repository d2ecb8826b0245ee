import getpass
import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from crypto.exceptions import OperationConflict, OrchestratorError, SnapshotChanged
from crypto.management import operation_options as given
from crypto.management import show
from crypto.management.one_line import USAGE, OneLineCommand
from crypto.management.watch import EXITS, counts, exit_code, watch
from crypto.models import Operation, Source
from crypto.services.desired.standing_orders import start
from crypto.services.operations import actions
from crypto.services.operations.progress import Progress, progress
from crypto.services.operations.start import OperationRequest
from crypto.services.operations.targets import Preview, preview

CONFLICT = 3
CONTROLS: dict[str, tuple[Callable[[UUID, str], Operation], str]] = {
    "pause": (actions.pause, "send nothing more until it is resumed"),
    "resume": (actions.resume, "go on, also past a gate"),
    "step": (actions.step, "send the present wave, then pause again"),
    "cancel": (actions.cancel, "end what was not sent; what was sent is awaited"),
}


class Command(OneLineCommand):
    help = "Starts, shows and controls bulk operations: one command to many clients."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, epilog=EXITS, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

        def verb(name: str, summary: str) -> ArgumentParser:
            made = verbs.add_parser(name, help=summary, description=summary, epilog=EXITS)
            made.add_argument("--json", action="store_true", help="print one JSON object")
            return made

        _add_start(verb("start", "send a command to the selected clients and watch"))
        look = verb("preview", "say what a start would mean")
        given.add_command(look)
        given.add_selector(look)
        for name, summary in (
            ("show", "say how it stands"),
            ("watch", "watch until it has ended"),
            *((name, summary) for name, (_, summary) in CONTROLS.items()),
        ):
            verb(name, summary).add_argument("id", type=UUID, metavar="ID")
        again = verb("retry", "send it again to those that ended badly, and watch")
        again.add_argument("id", type=UUID, metavar="ID")
        again.add_argument("--states", metavar="A,B,…", help=f"({','.join(actions.RETRIED)})")
        again.add_argument("--reason", default="", help="why, for the record")
        again.add_argument("--no-watch", action="store_true", help="do not wait for its end")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = self._do(options)
        except Operation.DoesNotExist:
            raise CommandError(f"there is no operation {options['id']}", returncode=USAGE) from None
        except (OperationConflict, SnapshotChanged) as error:
            raise CommandError(str(error), returncode=CONFLICT) from error
        except OrchestratorError as error:
            raise CommandError(str(error), returncode=USAGE) from error
        if found is not None:
            self._show(found, as_json=options["json"])
            if code := exit_code(found):
                raise SystemExit(code)

    def _do(self, options: dict[str, Any]) -> Progress | None:
        match options["verb"]:
            case "start" if not options["dry_run"]:
                return _watched(_start(options), options)
            case "start" | "preview":
                found = preview(type(given.command(options)), given.selector(options))
                self._show_preview(found, as_json=options["json"])
                return None
            case "show":
                return progress(options["id"])
            case "watch":
                return _watched(Operation.objects.get(pk=options["id"]), options)
            case "retry":
                return _watched(_retry(options), options)
            case verb:
                deed, _ = CONTROLS[verb]
                deed(options["id"], getpass.getuser())
                self._show(progress(options["id"]), as_json=options["json"])
                return None

    def _show(self, found: Progress, *, as_json: bool) -> None:
        facts = _described(found)
        if as_json:
            self.stdout.write(json.dumps(facts, cls=DjangoJSONEncoder))
            return
        facts |= {"counts": counts(found), "reasons": "", "rate": f"{found.rate:.1f}/s"}
        show.facts(self.stdout, facts)
        if found.reasons:
            show.table(
                self.stdout,
                ("COUNT", "STATE", "REASON"),
                ((r.count, r.state, r.reason) for r in found.reasons),
            )

    def _show_preview(self, found: Preview, *, as_json: bool) -> None:
        facts = {
            name: getattr(found, name) for name in ("targets", "offline", "unsupported", "paused", "snapshot")
        }
        if as_json:
            sample = [target._asdict() for target in found.sample]
            self.stdout.write(json.dumps(facts | {"sample": sample}, cls=DjangoJSONEncoder))
            return
        show.facts(self.stdout, {name: str(value) for name, value in facts.items()})
        show.table(self.stdout, ("ID", "NAME", "STATUS"), ((t.id, t.name, t.status) for t in found.sample))


def _add_start(parser: ArgumentParser) -> None:
    given.add_command(parser)
    given.add_selector(parser)
    parser.add_argument("--reason", default="", help="why, for the record")
    parser.add_argument(
        "--expect", metavar="SNAPSHOT", help="start only if the targets are those of this preview"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what it would mean, and issue nothing")
    parser.add_argument("--no-watch", action="store_true", help="do not wait for its end")
    given.add_policy(parser)


def _start(options: dict[str, Any]) -> Operation:
    return start(
        OperationRequest(
            command=given.command(options),
            selector=given.selector(options),
            policy=given.policy(options),
            source=Source.CLI,
            principal=getpass.getuser(),
            reason=options["reason"],
            expected_snapshot=options["expect"],
        )
    )


def _retry(options: dict[str, Any]) -> Operation:
    states = options["states"].upper().split(",") if options["states"] else actions.RETRIED
    return actions.retry(
        options["id"], states, source=Source.CLI, principal=getpass.getuser(), reason=options["reason"]
    )


def _watched(operation: Operation, options: dict[str, Any]) -> Progress:
    if options.get("no_watch"):
        return progress(operation.pk)
    try:
        return watch(operation.pk)
    except KeyboardInterrupt:
        raise CommandError(f"no longer watching; {operation.pk} goes on", returncode=130) from None


def _described(found: Progress) -> dict[str, Any]:
    operation = found.operation
    return {
        "id": operation.pk,
        "command": operation.command,
        "params": operation.params,
        "selector": operation.selector,
        "policy": operation.policy,
        "state": operation.state,
        "note": operation.note,
        "reason": operation.reason,
        "principal": operation.principal,
        "parent": operation.parent_id,
        "targets": operation.targets,
        "ended": found.totals.ended,
        "counts": found.counts,
        "rate": round(found.rate, 1),
        "eta_seconds": None if found.eta is None else round(found.eta.total_seconds(), 1),
        "reasons": [{"count": r.count, "state": r.state, "reason": r.reason} for r in found.reasons],
        "created_at": operation.created_at,
        "finished_at": operation.finished_at,
    }
