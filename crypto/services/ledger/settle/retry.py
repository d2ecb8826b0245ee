"""The time of a row's next attempt."""

import random
from datetime import datetime, timedelta

from crypto.services.ledger.sql.rows import Row

RETRY_GRID = 0.25
"""Seconds. Delays are rounded to it, so that rows with about the same delay are written by one UPDATE."""

_jitter = random.Random()


def retry_at(row: Row, now: datetime) -> datetime:
    """By the number of attempts so far, with backoff and jitter."""
    return now + _on_grid(row.cls.retry.delay(row.attempt, _jitter) if row.cls else 0.0)


def retry_later(row: Row, now: datetime) -> datetime | None:
    """By the age of the row, where attempts are not counted. None if this version does not know the command."""
    if row.cls is None:
        return None
    return now + _on_grid(row.cls.retry.pause((now - row.created_at).total_seconds(), _jitter))


def _on_grid(delay: float) -> timedelta:
    return timedelta(seconds=round(delay / RETRY_GRID) * RETRY_GRID)
