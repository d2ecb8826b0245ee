"""Ticks: functions that are called periodically."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import close_old_connections

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tick:
    """A function and its period. Several schedulers may run, so the function must be safe to call concurrently."""

    name: str
    period: float
    """Seconds between the end of one call and the start of the next."""
    call: Callable[[], object]


def run_forever(ticks: Sequence[Tick], stop: threading.Event) -> None:
    """Call each tick on a thread of its own, so that a slow one delays no other. Returns after `stop` is set and the
    running calls have ended.
    """
    threads = [threading.Thread(target=_repeat, args=(tick, stop), name=tick.name) for tick in ticks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _repeat(tick: Tick, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            close_old_connections()
            tick.call()
        except Exception:
            # The outermost loop: the next call tries again.
            logger.exception("Tick %s failed, next try in %g s", tick.name, tick.period)
        finally:
            close_old_connections()
        stop.wait(tick.period)
