"""What an operation does to all of its open rows at once. They are locked in the ledger's one order first."""

from datetime import datetime
from uuid import UUID

from django.db.models import F

from crypto.models import Cause, CommandLog, State
from crypto.models.command_log import CommandLogQuerySet
from crypto.services.ledger.void import Waiting, request_cancel, void


def hold(operation: UUID) -> None:
    """Let nobody claim them. One that was sent goes on; should it come back to be tried again, it is held then."""
    rows = _locked(operation)
    rows.update(held=True)
    cause = Cause.OPERATION
    rows.filter(state=State.QUEUED).update(due_at=F("expires_at"), cause=cause, reason=cause.label)


def unhold_sent(operation: UUID) -> None:
    """Undo the hold of what was sent; the rollout releases the others in their turn."""
    _locked(operation).filter(state=State.SENT).update(held=False)


def end_open_rows(operation: UUID, cause: Cause, why: str, now: datetime) -> None:
    """Cancel what was not sent; what was sent is canceled only if its ack never comes."""
    rows = list(_locked(operation).values_list("pk", "state", "seen"))
    waiting = [Waiting(pk, seen) for pk, state, seen in rows if state == State.QUEUED]
    void(waiting, State.CANCELED, cause=cause, why=why, now=now, cancel_requested_at=now)
    request_cancel([pk for pk, state, _ in rows if state == State.SENT], f": {why}", now)


def _locked(operation: UUID) -> CommandLogQuerySet:
    """The open rows of the operation: none is added, and none changes before the transaction ends."""
    rows = CommandLog.objects.filter(operation=operation).open()
    list(rows.order_by("created_at", "id").select_for_update().values_list("pk"))
    return rows
