import threading

from tests.support.processes import wait_until
from workers.ticks import Tick, run_forever


def test_a_failing_and_a_slow_tick_disturb_nobody() -> None:
    stop, release = threading.Event(), threading.Event()
    counts = {"good": 0, "bad": 0}

    def good() -> None:
        counts["good"] += 1

    def bad() -> None:
        counts["bad"] += 1
        raise RuntimeError("on purpose")

    ticks = [Tick("good", 0.01, good), Tick("bad", 0.01, bad), Tick("slow", 0.01, release.wait)]
    running = threading.Thread(target=run_forever, args=(ticks, stop))
    running.start()
    wait_until(lambda: min(counts.values()) >= 5, 30, "five calls of each")
    stop.set()
    assert running.is_alive(), "the slow call is still under way"
    release.set()
    running.join(10)
    assert not running.is_alive()


def test_stop_ends_a_long_wait_at_once() -> None:
    stop, called = threading.Event(), threading.Event()
    running = threading.Thread(target=run_forever, args=([Tick("daily", 86_400, called.set)], stop))
    running.start()
    assert called.wait(10), "the first call comes at once"
    stop.set()
    running.join(10)
    assert not running.is_alive()
