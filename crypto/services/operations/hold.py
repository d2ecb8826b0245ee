"""What an operation does to all of its open rows at once. They are locked in the ledger's one order first."""

from datetime import datetime
from uuid import UUID

from django.db.models import F

from crypto.models import CommandLog, State
from crypto.models.command_log import CommandLogQuerySet
from crypto.services.ledger.settle import notify_finished
from crypto.services.process import process_name


def hold(operation: UUID, why: str) -> None:
    """Let nobody claim them. One that was sent goes on; should it come back to be tried again, it is held then."""
    rows = _locked(operation)
    rows.update(held=True)
    rows.filter(state=State.QUEUED).update(due_at=F("expires_at"), reason=why)


def unhold_sent(operation: UUID) -> None:
    """Undo the hold of what was sent; the conductor releases the others in their turn."""
    _locked(operation).filter(state=State.SENT).update(held=False)


def end_open_rows(operation: UUID, why: str, now: datetime) -> None:
    """Cancel what was not sent; what was sent is canceled only if its ack never comes."""
    rows = _locked(operation)
    sent = rows.filter(state=State.SENT, cancel_requested_at=None)
    sent.update(cancel_requested_at=now, reason=f"cancel requested: {why}")
    queued = rows.filter(state=State.QUEUED)
    notify_finished(list(queued.values_list("pk", flat=True)))
    for seen, doubt in ((False, ""), (True, "; the outcome of an earlier attempt is unknown")):
        queued.filter(seen=seen).move(
            State.CANCELED,
            why=why + doubt,
            process=process_name(),
            now=now,
            cancel_requested_at=now,
            finished_at=now,
            held=False,
        )


def _locked(operation: UUID) -> CommandLogQuerySet:
    """The open rows of the operation: none is added, and none changes before the transaction ends."""
    rows = CommandLog.objects.filter(operation=operation).open()
    list(rows.order_by("created_at", "id").select_for_update().values_list("pk"))
    return rows
