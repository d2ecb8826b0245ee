"""Inserting many rows that differ in a few columns only."""

from typing import NamedTuple
from uuid import UUID

from django.db import connection

from crypto.models import CommandLog
from crypto.services.ledger.sql.dialect import bind, values_table

BATCH = 5_000
"""Rows in one statement, so that its parameters stay below a megabyte."""
OWN = {"id": "uuid", "client_id": "uuid", "identity_epoch": "text", "wave": "int"}


class TargetRow(NamedTuple):
    """The columns in which the rows of one operation differ."""

    id: UUID
    client_id: UUID
    identity_epoch: str
    wave: int


def bulk_insert(template: CommandLog, rows: list[TargetRow]) -> None:
    """Insert one ledger row for each of `rows`; all other columns come from `template`. Call it in a transaction."""
    fields = template._meta.concrete_fields
    constants = [
        field.get_db_prep_save(field.pre_save(template, add=True), connection)
        for field in fields
        if field.attname not in OWN
    ]
    values = ", ".join(f"own.{field.attname}" if field.attname in OWN else "%s" for field in fields)
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    table = connection.ops.quote_name(template._meta.db_table)
    statement = f"INSERT INTO {table} ({names}) SELECT {values} FROM {values_table('own', OWN)}"
    with connection.cursor() as cursor:
        for at in range(0, len(rows), BATCH):
            cursor.execute(statement, [*constants, *bind(rows[at : at + BATCH])])
