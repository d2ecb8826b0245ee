"""Writing acks to their rows, many by one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import connection

from crypto.models import CommandLog
from crypto.services.ledger.sql.dialect import bind, values_table


class Answer(Protocol):
    """The columns of an ack."""

    @property
    def command_id(self) -> UUID: ...
    @property
    def message(self) -> str: ...
    @property
    def error(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def at(self) -> datetime | None: ...


COLUMNS = ("ack_message", "ack_error", "ack_status", "ack_data", "ack_at")
OWN = {
    "id": "uuid",
    "message": "text",
    "error": "text",
    "status": "text",
    "data": "text",
    "before": "text",
    "at": "timestamptz",
}


def update_acks(acks: Sequence[Answer], before: str, step: str, changes: dict[str, Any]) -> set[UUID]:
    """Write the acks to those of their rows that are in the state `before`; returns the ids of these rows.

    `changes` and `step`, the new line of the history, are the same for all rows; otherwise like
    `CommandLogQuerySet.move`. Call it in a transaction that has locked the rows.
    """
    table = CommandLog._meta.db_table
    sets = [f"{name} = ack.{name.removeprefix('ack_')}" for name in COLUMNS]
    sets += ["history = history || %s", *(f"{name} = %s" for name in changes)]
    statement = (
        f"UPDATE {table} SET {', '.join(sets)} FROM {values_table('ack', OWN)}"
        # The state is compared with a column: with a constant, SQLite would scan all rows of that state.
        f" WHERE {table}.id = ack.id AND {table}.state = ack.before"
        f" RETURNING {table}.id"
    )
    rows = [(ack.command_id, ack.message, ack.error, ack.status, ack.data, before, ack.at) for ack in acks]
    fields: Any = CommandLog._meta.get_field
    values = [fields(name).get_db_prep_save(value, connection) for name, value in changes.items()]
    with connection.cursor() as cursor:
        cursor.execute(statement, [step, *values, *bind(rows)])
        moved = cursor.fetchall()
    if len(moved) == len(acks):
        return {ack.command_id for ack in acks}
    return {id if isinstance(id, UUID) else UUID(id) for (id,) in moved}
