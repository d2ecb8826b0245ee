import json
from argparse import ArgumentParser
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from crypto.management import show
from crypto.management.one_line import OneLineCommand
from crypto.models import Client, ClientStatus


class Command(OneLineCommand):
    help = "Lists the clients, by name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--connected", action="store_true", help="only those that have a stream right now"
        )
        parser.add_argument(
            "--status", type=str.upper, choices=ClientStatus.values, help="only those that report this status"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON array")

    def handle(self, *args: Any, **options: Any) -> None:
        clients = Client.objects.select_related("node")
        if options["connected"]:
            clients = clients.connected()
        if options["status"]:
            clients = clients.filter(status=options["status"])
        if options["json"]:
            self.stdout.write(json.dumps([_described(client) for client in clients], cls=DjangoJSONEncoder))
        else:
            columns = ("ID", "NAME", "STATUS", "CONNECTED", "VERSION", "LAST SEEN")
            show.table(self.stdout, columns, (_row(client) for client in clients))


def _described(client: Client) -> dict[str, Any]:
    return {
        "id": client.pk,
        "name": client.name,
        "type": client.type,
        "version": client.version,
        "status": client.status,
        "connected": client.is_connected,
        "last_seen": client.last_seen,
    }


def _row(client: Client) -> tuple[object, ...]:
    seen = f"{client.last_seen:%Y-%m-%d %H:%M:%S}" if client.last_seen else "never"
    connected = "yes" if client.is_connected else "no"
    return client.pk, client.name, client.status, connected, client.version, seen
