import getpass
import json
import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.core.serializers.json import DjangoJSONEncoder

from crypto.exceptions import InvalidParameters, OrchestratorError
from crypto.management import show
from crypto.management.one_line import USAGE, OneLineCommand, OneLineParser
from crypto.models import Configuration
from crypto.services.desired.configurations import set_configuration
from crypto.services.desired.drift import members


class Command(OneLineCommand):
    help = "Shows and sets the configuration documents that clients are to run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=OneLineParser)
        for name, summary in (
            ("list", "show all documents"),
            ("show", "show one, and how its clients stand to it"),
            ("set", "set one; it is sent to its clients"),
            ("delete", "remove one; its clients get the next that is theirs"),
        ):
            verb = verbs.add_parser(name, help=summary, description=summary)
            verb.add_argument("--json", action="store_true", help="print JSON")
            if name != "list":
                whose = verb.add_mutually_exclusive_group()
                whose.add_argument("--client", type=UUID, metavar="ID", help="of this client")
                whose.add_argument(
                    "--label", default="", metavar="NAME=VALUE", help="of clients with the label"
                )
            if name == "set":
                verb.add_argument("file", metavar="FILE", help="JSON document; - for standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except Configuration.DoesNotExist:
            raise CommandError("there is no such configuration", returncode=USAGE) from None
        except OrchestratorError as error:
            raise CommandError(str(error), returncode=USAGE) from error

    def _list(self, options: dict[str, Any]) -> None:
        found = list(Configuration.objects.all())
        if options["json"]:
            self._print([_described(each) for each in found])
        else:
            rows = ((each, each.version, each.changed_at, each.principal) for each in found)
            show.table(self.stdout, ("CONFIGURATION", "VERSION", "CHANGED", "BY"), rows)

    def _show(self, options: dict[str, Any]) -> None:
        found = Configuration.objects.get(client=options["client"], label=options["label"])
        standing = members(found)
        facts = _described(found) | {"clients": dict(Counter(m.standing.value for m in standing))}
        if options["json"]:
            self._print(facts)
            return
        show.facts(self.stdout, facts | {"document": json.dumps(found.document, indent=2)})
        rows = ((m.client_id, m.name, m.running, m.standing.value, m.reason) for m in standing)
        show.table(self.stdout, ("ID", "NAME", "RUNS", "STANDING", "REASON"), rows)

    def _set(self, options: dict[str, Any]) -> None:
        found = set_configuration(
            _document(options["file"]),
            client=options["client"],
            label=options["label"],
            principal=getpass.getuser(),
        )
        if options["json"]:
            self._print(_described(found))
        else:
            show.facts(self.stdout, _described(found))

    def _delete(self, options: dict[str, Any]) -> None:
        Configuration.objects.get(client=options["client"], label=options["label"]).delete()

    def _print(self, what: Any) -> None:
        self.stdout.write(json.dumps(what, cls=DjangoJSONEncoder))


def _document(file: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if file == "-" else Path(file).read_text())
    except OSError as error:
        raise InvalidParameters({"FILE": [f"{error}."]}) from None
    except ValueError:
        raise InvalidParameters({"document": ["Must be JSON."]}) from None


def _described(found: Configuration) -> dict[str, Any]:
    return {
        "client": found.client_id,
        "label": found.label,
        "version": found.version,
        "changed_at": found.changed_at,
        "principal": found.principal,
        "document": found.document,
    }
