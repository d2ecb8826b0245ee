"""What happens by the clock: each tick is a function called every so many seconds, for ever."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import close_old_connections

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tick:
    """Any number of schedulers may run side by side, so the function must be safe to call concurrently."""

    name: str
    period: float
    """Seconds between the end of one call and the begin of the next."""
    call: Callable[[], object]


def run_forever(ticks: Sequence[Tick], stop: threading.Event) -> None:
    """Each tick on a thread of its own, so that a slow one delays no other. Returns soon after `stop`,
    when the calls under way are over."""
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
            # The outermost loop: whatever it was, the next round tries again.
            logger.exception("Tick %s failed, next try in %g s", tick.name, tick.period)
        finally:
            close_old_connections()
        stop.wait(tick.period)
