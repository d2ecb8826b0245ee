"""The clock of the ledger is the database's clock, because all processes share it.

If a machine's own clock counted, a worker that is a minute ahead would regard every lease as over.
"""

import logging
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

logger = logging.getLogger(__name__)

TOLERATED = timedelta(seconds=1)
"""A smaller difference between the clocks is ignored."""
GOOD_FOR = 60.0
"""Seconds after which a new connection compares again."""
CLOCK = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400",
}
"""Seconds since 1970."""

_offset = timedelta()
_compared: float | None = None


def now() -> datetime:
    """The database's time. Connects on the first call only: connecting measures the difference of the clocks."""
    if _compared is None:
        connection.ensure_connection()
    return timezone.now() + _offset


def compare(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receiver of `connection_created`: measures the difference of the clocks. Safe from any thread."""
    global _offset, _compared
    began = monotonic()
    if (_compared is not None and began - _compared < GOOD_FOR) or connection.vendor not in CLOCK:
        return
    with connection.cursor() as cursor:
        cursor.execute(CLOCK[connection.vendor])
        there = datetime.fromtimestamp(float(cursor.fetchone()[0]), UTC)
    ahead = timezone.now() - there
    if monotonic() - began > TOLERATED.total_seconds():
        return  # the query took so long that the difference is not known well enough
    offset = -ahead if abs(ahead) > TOLERATED else timedelta()
    if offset and not _offset:
        logger.warning(
            "this machine's clock is %+.1f s off the database's, which counts", ahead.total_seconds()
        )
    _offset, _compared = offset, began
