"""How rows end."""

from uuid import UUID

from django.db import transaction

from crypto.models import CommandLog
from crypto.signals import command_finished


def notify_finished(ids: list[UUID]) -> None:
    """Tell the world after commit that these rows have ended."""
    if ids:
        transaction.on_commit(lambda: command_finished.send_robust(sender=CommandLog, commands=ids))
