"""Many rows that differ in a few columns, inserted by one statement each thousand.

Django's `bulk_create` spends three quarters of a fan-out on building and binding the columns that are all alike.
"""

import json
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from crypto.models import CommandLog

BATCH = 5_000
"""Rows a statement, so that its text stays below a megabyte."""


class TargetRow(NamedTuple):
    """What a row of an operation has for itself."""

    id: UUID
    client_id: UUID
    identity_epoch: str
    wave: int


SOURCES = {
    "postgresql": (
        "SELECT {columns} FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::int[])"
        " AS leaf (id, client_id, identity_epoch, wave)"
    ),
    "sqlite": (
        "SELECT {columns} FROM (SELECT value->>0 AS id, value->>1 AS client_id, value->>2 AS identity_epoch,"
        " value->>3 AS wave FROM json_each(%s)) AS leaf"
    ),
}


def bulk_insert(template: CommandLog, leaves: list[TargetRow]) -> None:
    """Insert one row for each leaf, in all else like `template`. Call it in a transaction."""
    fields = template._meta.concrete_fields
    own = set(TargetRow._fields)
    constants = [
        field.get_db_prep_save(field.pre_save(template, add=True), connection)
        for field in fields
        if field.attname not in own
    ]
    columns = ", ".join(f"leaf.{field.attname}" if field.attname in own else "%s" for field in fields)
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    source = SOURCES[connection.vendor].format(columns=columns)
    statement = f"INSERT INTO {connection.ops.quote_name(template._meta.db_table)} ({names}) {source}"
    with connection.cursor() as cursor:
        for at in range(0, len(leaves), BATCH):
            cursor.execute(statement, [*constants, *_bound(leaves[at : at + BATCH])])


def _bound(leaves: list[TargetRow]) -> list[Any]:
    if connection.vendor == "postgresql":
        return [list(column) for column in zip(*leaves, strict=True)]
    return [json.dumps([(id.hex, client_id.hex, *rest) for id, client_id, *rest in leaves])]
