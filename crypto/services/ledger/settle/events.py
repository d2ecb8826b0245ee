"""How rows end."""

from uuid import UUID

from django.db import transaction

from crypto.models import CommandLog, State
from crypto.services.ledger.sql.rows import Row
from crypto.signals import command_finished


def notify_finished(ids: list[UUID]) -> None:
    """Tell the world after commit that these rows have ended."""
    if ids:
        transaction.on_commit(lambda: command_finished.send_robust(sender=CommandLog, commands=ids))


def ended_unsent(row: Row, state: State) -> State:
    """`state`, unless the client may have seen the command: then all that is known is that no ack came."""
    return State.TIMED_OUT if row.seen else state
