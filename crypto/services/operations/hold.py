"""Holding and ending all open rows of an operation, in the caller's transaction. The rows are locked first."""

from datetime import datetime
from uuid import UUID

from django.db.models import F

from crypto.models import Cause, CommandLog, State
from crypto.models.command_log import CommandLogQuerySet
from crypto.services.ledger.void import Waiting, request_cancel, void


def hold(operation: UUID) -> None:
    """Keep its rows from being claimed. A sent row goes on; if it is to be tried again, it is held then."""
    rows = _locked(operation)
    rows.update(held=True)
    cause = Cause.OPERATION
    rows.filter(state=State.QUEUED).update(due_at=F("expires_at"), cause=cause, reason=cause.label)


def unhold_sent(operation: UUID) -> None:
    """Undo the hold of sent rows; the rollout releases the queued ones."""
    _locked(operation).filter(state=State.SENT).update(held=False)


def end_open_rows(operation: UUID, cause: Cause, why: str, now: datetime) -> None:
    """Cancel queued rows; a sent row is canceled only if no ack comes in time."""
    rows = list(_locked(operation).values_list("pk", "state", "seen"))
    waiting = [Waiting(pk, seen) for pk, state, seen in rows if state == State.QUEUED]
    void(waiting, State.CANCELED, cause=cause, why=why, now=now, cancel_requested_at=now)
    request_cancel([pk for pk, state, _ in rows if state == State.SENT], f": {why}", now)


def _locked(operation: UUID) -> CommandLogQuerySet:
    """The open rows of the operation, locked in the common order. No row is ever added to an operation."""
    rows = CommandLog.objects.filter(operation=operation).open()
    list(rows.order_by("created_at", "id").select_for_update().values_list("pk"))
    return rows
