"""Waiting for a command's outcome inside a request.

Under ASGI Django gives every request a thread of its own (`ThreadSensitiveContext`), so that one that waits
here holds up no other; it holds no database connection meanwhile. `WAITERS` bounds the threads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from rest_framework.exceptions import APIException

from crypto.services.delivery.execute import execute_and_wait
from crypto.services.ledger.attempt import Result
from crypto.services.ledger.issue import CommandRequest

WAITERS = 1_000
"""Requests of one process that may wait at the same time."""

_slots = BoundedSemaphore(WAITERS)


class TooManyWaiting(APIException):
    """Raised instead of waiting when too many requests wait already. Nothing was issued."""

    status_code = 429
    default_code = "too_many_wait"
    default_detail = "Too many requests wait for their clients; try later or with Prefer: respond-async."
    wait = 1


def wait_for(request: CommandRequest) -> Result:
    """The command's end. Raises TooManyWaiting, UnknownClient, DedupeConflict."""
    with wait_slot():
        return execute_and_wait(request)


@contextmanager
def wait_slot() -> Iterator[None]:
    """Held wherever a request waits. Raises TooManyWaiting."""
    if not _slots.acquire(blocking=False):
        raise TooManyWaiting
    try:
        yield
    finally:
        _slots.release()
