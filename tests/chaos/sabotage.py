"""Changes a process from outside: a clock that is wrong, a disk that is slow, and deliberately broken builds.

A started process imports this first (see hooks/sitecustomize.py); a module named in `BUILDS` is patched right after
it was executed, before anybody has taken anything out of it. The product knows nothing of it.
"""

import importlib.abc
import importlib.machinery
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any

Patch = Callable[[Any], None]

CLOCK = "CHAOS_CLOCK"
"""Seconds by which the process' clock is ahead."""
DISK = "CHAOS_DISK"
"""Seconds that a commit of an agent's store takes at most."""
BUILD = "CHAOS_BUILD"
"""Name of a broken build."""


def install(environ: Mapping[str, str]) -> None:
    if CLOCK in environ:
        shift_clock(float(environ[CLOCK]))
    patches: dict[str, Patch] = {}
    if DISK in environ:
        patches["crypto.agent.store"] = slow_disk(float(environ[DISK]))
    if BUILD in environ:
        patches |= BUILDS[environ[BUILD]]
    sys.meta_path.insert(0, _Patching(patches))


def shift_clock(seconds: float) -> None:
    """Everything that reads `time.time` or Django's `timezone.now` lives in the future: the ledger's deadlines, leases
    and histories, and Dramatiq's heartbeats. Monotonic clocks go on as they are, as they do on a machine whose clock
    was set. (libfaketime would shift C code too, but is not on every machine.)"""
    from django.utils import timezone  # noqa: PLC0415 only in the process whose clock is wrong

    true_time, true_now = time.time, timezone.now
    time.time = lambda: true_time() + seconds
    timezone.now = lambda: true_now() + timedelta(seconds=seconds)


def slow_disk(seconds: float) -> Patch:
    def patch(store: Any) -> None:
        commit = store.Store._commit

        def slowly(self: Any, batch: list[Any]) -> list[Any]:
            time.sleep(random.uniform(0, seconds))
            result: list[Any] = commit(self, batch)
            return result

        store.Store._commit = slowly

    return patch


def _journal_off(journal: Any) -> None:
    """The agent runs whatever it is sent."""

    async def begin(self: Any, command_id: str, *, idempotent: bool) -> None:
        await self._store.do(
            lambda db: db.execute(
                "INSERT INTO entry (client, command, state, at) VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING",
                (self._client, command_id),
            )
        )

    journal.Journal.begin = begin


def _guard_off(rows: Any) -> None:
    """Whoever holds a row's id may change it, whatever its state."""
    by_id = rows.by_id

    class Unguarded(rows.CommandLogQuerySet):  # type: ignore[misc]
        def filter(self, *args: Any, **conditions: Any) -> Any:
            return super().filter(*args, **{k: v for k, v in conditions.items() if k.startswith("pk")})

    def unguarded(ids: list[Any], *_states: Any) -> Any:
        query = by_id(ids)
        query.__class__ = Unguarded
        return query

    rows.by_id = unguarded


def _late_acks_dropped(acks: Any) -> None:
    acks.CORRECTABLE = frozenset()


def _timeout_is_failure(failures: Any) -> None:
    transition = failures._transition

    def failing(*args: Any) -> Any:
        found = transition(*args)
        return (
            found._replace(state=failures.State.FAILED) if found.state is failures.State.TIMED_OUT else found
        )

    failures._transition = failing


def _sweeper_off(sweep: Any) -> None:
    sweep.sweep = lambda: None


def _acks_before_running(dispatcher: Any) -> None:
    """The agent says "done" and does nothing."""

    async def execute(self: Any, execution: Any) -> Any:
        ack = dispatcher.CommandAck(command_id=execution.command_id, success=True)
        return self._stamped(ack), None

    dispatcher.Dispatcher._execute = execute


BUILDS: dict[str, dict[str, Patch]] = {
    "journal-off": {"crypto.agent.journal": _journal_off},
    "guard-off": {"crypto.services.ledger.sql.rows": _guard_off},
    "late-acks-dropped": {"crypto.services.ledger.settle.record_acks": _late_acks_dropped},
    "timeout-is-failure": {"crypto.services.ledger.settle.record_failures": _timeout_is_failure},
    "sweeper-off": {"crypto.services.ledger.sweep": _sweeper_off},
    "acks-before-running": {"crypto.agent.dispatcher": _acks_before_running},
}
"""Broken builds: by name, the modules to patch."""


class _Patching(importlib.abc.MetaPathFinder):
    def __init__(self, patches: Mapping[str, Patch]) -> None:
        self._patches = patches

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self._patches:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_patch(module: ModuleType) -> None:
                execute(module)
                self._patches[name](module)

            spec.loader.exec_module = execute_and_patch  # type: ignore[method-assign]
        return spec
