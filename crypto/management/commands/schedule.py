import getpass
import json
from argparse import ArgumentParser
from datetime import datetime, time
from typing import Any

from django.core.management.base import CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from crypto.exceptions import InvalidParameters, OrchestratorError
from crypto.management import operation_options as given
from crypto.management import show
from crypto.management.one_line import USAGE, OneLineCommand, OneLineParser
from crypto.models import Missed, Overlap, Schedule, Source
from crypto.services import schedules


class Command(OneLineCommand):
    help = "Shows, adds, runs, enables and disables schedules: commands over and over, by the clock."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=OneLineParser)

        def verb(name: str, summary: str) -> ArgumentParser:
            made = verbs.add_parser(name, help=summary, description=summary)
            made.add_argument("--json", action="store_true", help="print JSON")
            return made

        verb("list", "show all schedules")
        _add_add(verb("add", "add a schedule"))
        for name, summary in (
            ("next", "say when it runs next"),
            ("run", "start its operation now"),
            ("enable", "let it run again"),
            ("disable", "let it run no more"),
            ("delete", "remove it"),
        ):
            verb(name, summary).add_argument("schedule", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except Schedule.DoesNotExist:
            raise CommandError(f"there is no schedule {options['schedule']!r}", returncode=USAGE) from None
        except OrchestratorError as error:
            raise CommandError(str(error), returncode=USAGE) from error

    def _list(self, options: dict[str, Any]) -> None:
        found = list(Schedule.objects.all())
        if options["json"]:
            self._print([_described(schedule) for schedule in found])
        else:
            columns = ("NAME", "COMMAND", "WHEN", "NEXT", "STATE")
            show.table(self.stdout, columns, (_row(schedule) for schedule in found))

    def _add(self, options: dict[str, Any]) -> None:
        schedule = _new(options)
        schedule.save()
        self._show(schedule, options)

    def _next(self, options: dict[str, Any]) -> None:
        schedule = _named(options)
        if wrong := schedules.problem(schedule):
            raise CommandError(f"the schedule is broken: {wrong}", returncode=USAGE)
        runs = schedules.next_runs(schedule)
        if options["json"]:
            self._print(runs)
        else:
            self.stdout.write("\n".join(_moment(run) for run in runs) or "never")

    def _run(self, options: dict[str, Any]) -> None:
        operation = schedules.run_now(_named(options), source=Source.CLI, principal=getpass.getuser())
        if options["json"]:
            self._print({"operation": operation.pk})
        else:
            self.stdout.write(f"operation {operation.pk}")

    def _enable(self, options: dict[str, Any]) -> None:
        self._switch(options, enabled=True)

    def _disable(self, options: dict[str, Any]) -> None:
        self._switch(options, enabled=False)

    def _delete(self, options: dict[str, Any]) -> None:
        _named(options).delete()

    def _switch(self, options: dict[str, Any], *, enabled: bool) -> None:
        schedule = _named(options)
        schedule.enabled = enabled
        schedule.save()
        self._show(schedule, options)

    def _show(self, schedule: Schedule, options: dict[str, Any]) -> None:
        facts = _described(schedule)
        if options["json"]:
            self._print(facts)
        else:
            show.facts(self.stdout, facts | {"next_runs": "\n".join(map(_moment, facts["next_runs"]))})

    def _print(self, what: Any) -> None:
        self.stdout.write(json.dumps(what, cls=DjangoJSONEncoder))


def _add_add(parser: ArgumentParser) -> None:
    parser.add_argument("schedule", metavar="NAME")
    given.add_command(parser)
    given.add_selector(parser)
    when = parser.add_argument_group("when")
    when.add_argument("--cron", metavar="'M H D M W'", help="minute, hour, day, month, weekday")
    when.add_argument("--interval", type=int, metavar="S", help="seconds from run to run, instead of cron")
    when.add_argument("--time-zone", metavar="ZONE", help="of cron and window, such as Europe/Berlin (UTC)")
    when.add_argument("--jitter", type=int, metavar="S", help="start up to so many seconds later, by lot (0)")
    when.add_argument("--start", metavar="TIME", help="no run before; ISO 8601, UTC unless it says otherwise")
    when.add_argument("--end", metavar="TIME", help="no run after")
    when.add_argument("--window", metavar="HH:MM-HH:MM", help="run only at this time of day")
    when.add_argument("--missed", choices=Missed.values, help="when no scheduler was there (skip)")
    when.add_argument("--overlap", choices=Overlap.values, help="while the last operation runs (skip)")
    when.add_argument("--disabled", action="store_true", help="add it, but do not run it yet")


def _new(options: dict[str, Any]) -> Schedule:
    """Raises InvalidParameters."""
    plain = ("cron", "interval", "time_zone", "jitter", "missed", "overlap")
    values = {name: options[name] for name in plain if options[name] is not None}
    for name in ("start", "end"):
        if options[name] is not None:
            values[name] = _time(name, options[name])
    if options["window"] is not None:
        values["window_start"], values["window_end"] = _window(options["window"])
    return Schedule(
        name=options["schedule"],
        command=options["name"],
        params=given.command(options).params,
        selector=given.selector(options),
        enabled=not options["disabled"],
        **values,
    )


def _time(option: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidParameters({f"--{option}": [f"{text[:40]!r} is no time in ISO 8601."]}) from None
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _window(text: str) -> tuple[time, time]:
    try:
        begin, end = map(time.fromisoformat, text.split("-"))
    except ValueError:
        raise InvalidParameters({"--window": [f"{text[:40]!r} is not HH:MM-HH:MM."]}) from None
    return begin, end


def _named(options: dict[str, Any]) -> Schedule:
    return Schedule.objects.get(name=options["schedule"])


def _described(schedule: Schedule) -> dict[str, Any]:
    last = schedule.runs.first()
    return {
        "name": schedule.name,
        "command": schedule.command,
        "params": schedule.params,
        "selector": schedule.selector,
        "cron": schedule.cron,
        "interval": schedule.interval,
        "time_zone": schedule.time_zone,
        "enabled": schedule.enabled,
        "problem": schedules.problem(schedule),
        "next_runs": schedules.next_runs(schedule),
        "last_run": schedule.last_run,
        "last_outcome": last.outcome if last else None,
        "last_operation": last.operation_id if last else None,
    }


def _row(schedule: Schedule) -> tuple[object, ...]:
    when = schedule.cron or f"every {schedule.interval} s"
    coming = _moment(schedule.next_run) if schedule.enabled and schedule.next_run else "never"
    state = "broken" if schedules.problem(schedule) else "enabled" if schedule.enabled else "disabled"
    return schedule.name, schedule.command, f"{when} {schedule.time_zone}", coming, state


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
