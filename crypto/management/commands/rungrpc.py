from argparse import ArgumentParser
from ipaddress import ip_address
from typing import Any

import uvloop
from django.core.management.base import CommandError

from crypto.grpc.services.server import AddressInUse, Binding, serve
from crypto.management.one_line import OneLineCommand


class Command(OneLineCommand):
    help = "Run the streaming server: the gRPC services of every installed app, on one port."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to bind (default: %(default)s).")
        parser.add_argument(
            "--port", type=int, default=50051, help="Port to bind, 0 for any (default: %(default)s)."
        )
        parser.add_argument(
            "--advertise",
            default="",
            metavar="HOST:PORT",
            help="Where workers and web processes reach this node (default: the bound address).",
        )
        parser.add_argument(
            "--allow-remote",
            action="store_true",
            help="Bind an address other than loopback although connections are neither encrypted nor authenticated.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        if not 0 <= port <= 65535:
            raise CommandError(f"--port: {port} is not a port", returncode=2)
        if not _is_loopback(host) and not options["allow_remote"]:
            raise CommandError(
                f"--host: {host} is not a loopback address; connections are neither encrypted nor authenticated. "
                "Say --allow-remote if that is what you want.",
                returncode=2,
            )
        try:
            uvloop.run(serve(Binding(host, port, options["advertise"])))
        except AddressInUse as error:
            raise CommandError(str(error), returncode=2) from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
