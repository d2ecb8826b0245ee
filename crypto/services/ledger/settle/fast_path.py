"""The most frequent ack: an attempt of this process succeeded in time and changes nothing about its client.

It is stored by one UPDATE, without a SELECT before.
"""

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
    """Store the simple acks. One transaction; safe to repeat.

    Returns the others, for `record_acks`: those that are not simple, or whose rows are not SENT any more.
    """
    simple: list[Ack] = []
    others: list[Ack] = []
    for attempt, ack in answered:
        (simple if _is_simple(attempt, ack) else others).append(ack)
    if not simple:
        return others
    now = clock.now()
    step = step_line(State.SUCCEEDED, why=simple[0].why, process=process_name(), now=now)
    changes = {
        "state": State.SUCCEEDED,
        "cause": simple[0].cause,
        "reason": simple[0].why,
        "acked_at": now,
        "finished_at": now,
        "due_at": None,
        "retry_at": None,
        "claim": None,
    }
    with transaction.atomic():
        lock_only([ack.command_id for ack in simple])
        moved = update_acks(simple, State.SENT, step, changes)
        notify_finished(list(moved))
    return others + [ack for ack in simple if ack.command_id not in moved]


def _is_simple(attempt: Attempt, ack: Ack) -> bool:
    if not ack.success or attempt.command.changes_clients():
        return False
    # The status in the ack is the one that was stored when the command was sent.
    return not ack.status or (
        ack.status == attempt.client_status and attempt.client_expected_status in ("", ack.status)
    )
