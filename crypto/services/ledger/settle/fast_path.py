"""The plain case of landing, which is nearly all of them: an attempt this process sent succeeded, in time, and its ack
changes nothing about the client. One UPDATE, with nothing read before."""

from collections.abc import Iterable

from django.db import transaction

from crypto.models import State, clock
from crypto.models.command_log import step_line
from crypto.services.ledger.attempt import Attempt
from crypto.services.ledger.settle import Ack, notify_finished
from crypto.services.ledger.sql.rows import lock_only
from crypto.services.ledger.sql.update_acks import update_acks
from crypto.services.process import process_name


def record_fast(answered: Iterable[tuple[Attempt, Ack]]) -> list[Ack]:
    """Store what is plain. Returns the others, which `land` must look at: they are not plain, or their rows are not
    SENT any more. One transaction; safe to repeat."""
    plain: list[Ack] = []
    others: list[Ack] = []
    for attempt, ack in answered:
        (plain if _is_plain(attempt, ack) else others).append(ack)
    if not plain:
        return others
    now = clock.now()
    step = step_line(State.SUCCEEDED, why=plain[0].why, process=process_name(), now=now)
    changes = {
        "state": State.SUCCEEDED,
        "reason": plain[0].why,
        "acked_at": now,
        "finished_at": now,
        "due_at": None,
        "retry_at": None,
        "claim": None,
    }
    with transaction.atomic():
        lock_only([ack.command_id for ack in plain])
        landed = update_acks(plain, State.SENT, step, changes)
        notify_finished(list(landed))
    return others + [ack for ack in plain if ack.command_id not in landed]


def _is_plain(attempt: Attempt, ack: Ack) -> bool:
    if not ack.success or attempt.command.changes_clients():
        return False
    # What the client says of itself is no news, as far as was known when the command was sent.
    return not ack.status or (
        ack.status == attempt.client_status and attempt.client_expected_status in ("", ack.status)
    )
