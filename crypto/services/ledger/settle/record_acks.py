"""Storing acks: each ends its row, or, if it comes late, corrects a row whose outcome was unknown."""

from collections import defaultdict
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from crypto.commands import Failure
from crypto.models import Cause, State, clock
from crypto.models.command_log import CORRECTABLE, OPEN, step_line
from crypto.services.ledger.sql.rows import Row, by_id, lock_by_id
from crypto.services.ledger.sql.update_acks import update_acks
from crypto.services.process import process_name

from .ack import UNKNOWN, Ack, ledger_id
from .client_status import carry_over
from .events import notify_finished
from .retry import retry_at


def record_acks(acks: list[Ack]) -> list[bool]:
    """Store acks, whenever they come and whichever process receives them. One transaction; safe to repeat.

    Returns for each ack whether it changed its row. False for an ack of an unknown command, of another client's
    command or of one never sent, and for a repeated ack.
    """
    if not acks:
        return []
    now = clock.now()
    with transaction.atomic():
        rows = {row.id: row for row in lock_by_id(list({ack.command_id for ack in acks}))}
        good = _chosen(acks, rows)
        groups: dict[_Transition, list[Ack]] = defaultdict(list)
        for id, ack in good.items():
            groups[_transition(rows[id], ack, now)].append(ack)
        for transition, alike in groups.items():
            _write(transition, alike, now)
        carry_over([(rows[id], ack) for id, ack in good.items() if rows[id].state in OPEN], now)
        notify_finished([id for id, ack in good.items() if not _retries(rows[id], ack)])
    return [good.get(ack.command_id) is ack for ack in acks]


def confirmed(acks: list[tuple[UUID, str]]) -> list[bool]:
    """Which of these acks (client, command id on the wire) need not be sent again.

    They are stored, or no open row waits for them.
    """
    ids = [ledger_id(*ack) for ack in acks]
    waiting = by_id(ids, *OPEN | CORRECTABLE).filter(acked_at=None).values_list("pk", "client_id")
    open_ids = set(waiting)
    return [(id, client_id) not in open_ids for id, (client_id, _) in zip(ids, acks, strict=True)]


def _chosen(acks: list[Ack], rows: dict[UUID, Row]) -> dict[UUID, Ack]:
    """The ack of each row that counts: the first one that knows the outcome, else the first."""
    good: dict[UUID, Ack] = {}
    for ack in acks:
        row, before = rows.get(ack.command_id), good.get(ack.command_id)
        if (
            row is not None
            and _acceptable(row, ack)
            and (before is None or before.error == UNKNOWN != ack.error)
        ):
            good[row.id] = ack
    return good


def _acceptable(row: Row, ack: Ack) -> bool:
    if row.client_id != ack.client_id or row.sent_at is None:
        return False
    if row.state == State.QUEUED and row.ack_at is not None and row.ack_at == ack.at:
        return False  # a repeat of the failure for which the row waits to be tried again
    return row.state in (OPEN if ack.state is State.TIMED_OUT else OPEN | CORRECTABLE)


def _retries(row: Row, ack: Ack) -> bool:
    """Whether the command is tried again after this ack, instead of ending."""
    cls = row.cls
    if cls is None or row.cancel_requested_at is not None or row.superseded_by is not None:
        return False
    if ack.state is State.FAILED:
        return row.state == State.SENT and cls.retry.retries(Failure.FAILED, row.attempt, row.max_attempts)
    if ack.state is State.TIMED_OUT and cls.idempotent:
        # A row that already waits for its next attempt goes on waiting.
        waits = row.state == State.QUEUED and row.attempt < row.max_attempts
        return waits or cls.retry.retries(Failure.TIMEOUT, row.attempt, row.max_attempts)
    return False


class _Transition(NamedTuple):
    """How an ack changes its row; all rows with the same one are written by one UPDATE."""

    state: State
    before: str
    cause: Cause
    why: str
    unknown: bool
    retry_at: datetime | None


def _transition(row: Row, ack: Ack, now: datetime) -> _Transition:
    unknown = ack.state is State.TIMED_OUT
    if _retries(row, ack):
        return _Transition(State.QUEUED, row.state, Cause.RETRY, ack.why, unknown, retry_at(row, now))
    return _Transition(ack.state, row.state, ack.cause, ack.why, unknown, None)


def _write(transition: _Transition, acks: list[Ack], now: datetime) -> None:
    state, before, cause, why, unknown, again_at = transition
    changes: dict[str, Any] = {"due_at": None, "retry_at": None, "claim": None}
    if unknown:
        changes["seen"] = True
    if state is State.QUEUED:
        changes |= {"due_at": again_at, "retry_at": again_at}
    elif before in CORRECTABLE:
        changes |= {"late": True, "acked_at": now}
        why = f"{why} (late)"
    else:
        changes |= {"acked_at": now, "finished_at": now}
    step = step_line(state, why=why, process=process_name(), now=now)
    update_acks(acks, before, step, {"state": state, "cause": cause, "reason": why, **changes})
