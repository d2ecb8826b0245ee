"""The transaction of whoever calls a coroutine, which is on a thread and a connection that are not the coroutine's.

`async_to_sync` runs a coroutine on another thread than its caller's, which waits meanwhile. And Django has connections
of their own for code that runs in an event loop, also for a loop on the caller's thread (`asyncio.run`). So a coroutine
never sees on its own connection that its caller is inside a transaction, and would wait for the locks of that
transaction, which ends after the coroutine.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from asgiref.sync import AsyncToSync
from django.db import transaction


async def in_callers_transaction(work: Callable[[], object]) -> bool:
    """Whether this coroutine was called from inside a transaction; if so, `work` has been done in it.

    What `work` raises is raised here.
    """
    waiting = _waiting_thread()
    if waiting is not None:
        try:
            attempt = waiting.submit(_attempt, work)
        except RuntimeError:
            pass  # this task has outlived the call: nobody waits any more
        else:
            if await asyncio.wrap_future(attempt):
                return True
    return _attempt_outside_loop(work)


def _waiting_thread() -> Executor | None:
    """Runs functions on the thread that waits in `async_to_sync`. (`sync_to_async` looks in the same two places.)"""
    executor: Executor | None = getattr(AsyncToSync.executors, "current", None)
    return executor or AsyncToSync.loop_thread_executors.get(asyncio.get_running_loop())


def _attempt(work: Callable[[], object]) -> bool:
    connection = transaction.get_connection()
    manual = connection.connection is not None and not connection.autocommit
    if not (connection.in_atomic_block or manual):
        return False
    work()
    return True


def _attempt_outside_loop(work: Callable[[], object]) -> bool:
    """On this thread's own connection, which Django shows only where no event loop runs."""
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return _attempt(work)
    finally:
        asyncio._set_running_loop(loop)
