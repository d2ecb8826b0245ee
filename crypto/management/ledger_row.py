"""How the command line names a row of the ledger."""

from argparse import ArgumentParser, ArgumentTypeError
from uuid import UUID

from django.core.management.base import CommandError

from crypto.management.one_line import USAGE
from crypto.models import CommandLog


def add_id(parser: ArgumentParser) -> None:
    parser.add_argument("id", type=_uuid, metavar="ID", help="the command's id")


def find(id: UUID) -> CommandLog:
    """Raises CommandError if there is none."""
    row = CommandLog.objects.select_related("client__node", "operation").filter(pk=id).first()
    if row is None:
        raise CommandError(f"there is no command {id}", returncode=USAGE)
    return row


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a UUID") from None
