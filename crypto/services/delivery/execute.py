"""Running one command and waiting for its result."""

from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from uuid import uuid4

from django.db import close_old_connections

from crypto.models import State
from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.ledger.attempt import Result, lease
from crypto.services.ledger.issue import CommandRequest


def execute_and_wait(request: CommandRequest) -> Result:
    """Execute a command and block until it ends, for its ack timeout and the lease margin at most.

    Without a result by then the result says TIMED_OUT. Raises UnknownClient, DedupeConflict.
    """
    id = request.id or uuid4()
    close_old_connections()
    timeout = lease(request.timeout or request.command.timeout).total_seconds()
    try:
        return dispatcher().execute(replace(request, id=id)).result(timeout)
    except FutureTimeout:
        return Result(id, State.TIMED_OUT, "this process has no word of it")
