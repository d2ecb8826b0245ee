"""How the command line shows things to people."""

import json
from collections.abc import Iterable, Mapping
from typing import IO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 100_000


def facts(out: OutputWrapper, values: Mapping[str, object]) -> None:
    """Names and values below each other; empty values are left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in values.items():
        if value not in (None, "", [], {}):
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
            grid.add_row(name, Text(harmless(text)))
    _console(out).print(grid)


def table(out: OutputWrapper, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        # The first names the row: it is to be copied.
        shown.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(harmless(str(value))) for value in row))
    _console(out).print(shown)


def _console(out: OutputWrapper) -> Console:
    """As wide as the terminal; into a file or a pipe lines are never broken."""
    return Console(file=cast(IO[str], out), highlight=False, width=None if out.isatty() else WIDE)


def harmless(text: str) -> str:
    """Clients write these texts: control characters would be the terminal's to obey."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
