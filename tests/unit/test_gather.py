"""The thread that works for all outlives whatever its callers do."""

import threading

from crypto.services.batching import Batcher


def test_a_caller_that_stops_waiting_ends_nothing() -> None:
    began, go_on = threading.Event(), threading.Event()

    def work(items: list[int]) -> list[int]:
        began.set()
        assert go_on.wait(10)
        return [item * 2 for item in items]

    gatherer = Batcher("test", work)
    first = gatherer.put(1)
    assert began.wait(10)
    second = gatherer.put(2)
    first.cancel()
    second.cancel()
    go_on.set()
    assert [gatherer.put(3).result(10), second.result(10), first.result(10)] == [6, 4, 2]
    gatherer.close()
