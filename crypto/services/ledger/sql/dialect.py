"""A table made of parameters, in both dialects, so that one statement writes thousands of rows that differ.

The text of Django's own statements grows with the rows. Measured: `bulk_create` spends three quarters of the time of a
bulk insert on columns that are the same in every row, and one UPDATE a row costs ten times as much as one for all.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection


def values_table(name: str, columns: Mapping[str, str]) -> str:
    """The SQL of a table with this name; `columns` maps names to PostgreSQL types. `bind` makes its parameters."""
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        return f"unnest({arrays}) AS {name} ({', '.join(columns)})"
    values = ", ".join(f"value->>{at} AS {column}" for at, column in enumerate(columns))
    return f"(SELECT {values} FROM json_each(%s)) AS {name}"


def bind(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The parameters of a `values_table` with these rows, of which there is at least one."""
    if connection.vendor == "postgresql":
        return [list(column) for column in zip(*rows, strict=True)]
    return [json.dumps([[_as_stored(value) for value in row] for row in rows])]


def _as_stored(value: object) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value
