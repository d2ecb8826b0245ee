"""A table made of parameters, in both dialects, so that one statement writes thousands of rows that differ.

Django's own ways build a statement whose text grows with the rows: `bulk_create` spends three quarters of a fan-out on
columns that are all alike, and an UPDATE for each row costs ten times as much as one for all (measured).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection


def values_table(name: str, columns: Mapping[str, str]) -> str:
    """The SQL of a table of this name; `columns` gives each one's PostgreSQL type. Its parameters come from `bind`."""
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        return f"unnest({arrays}) AS {name} ({', '.join(columns)})"
    values = ", ".join(f"value->>{at} AS {column}" for at, column in enumerate(columns))
    return f"(SELECT {values} FROM json_each(%s)) AS {name}"


def bind(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The parameters of a `values_table`: its rows, with at least one."""
    if connection.vendor == "postgresql":
        return [list(column) for column in zip(*rows, strict=True)]
    return [json.dumps([[_as_stored(value) for value in row] for row in rows])]


def _as_stored(value: object) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value
