"""The signal that rows have ended."""

from uuid import UUID

from django.db import transaction

from crypto.models import CommandLog
from crypto.signals import command_finished


def notify_finished(ids: list[UUID]) -> None:
    """Send `command_finished` for these rows after commit."""
    if ids:
        transaction.on_commit(lambda: command_finished.send_robust(sender=CommandLog, commands=ids))
