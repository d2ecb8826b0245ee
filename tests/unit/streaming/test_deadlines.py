import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.grpc.streaming.deadlines import Deadlines


class Item:
    def __init__(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.slot = 0
        self.due = due
        self.expired_at: list[float] = []
        self._loop = loop

    def expire(self) -> None:
        self.expired_at.append(self._loop.time())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.08), st.booleans()), min_size=1, max_size=40))
def test_each_item_expires_once_and_never_early(wanted: list[tuple[float, bool]]) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(loop, tick=0.005)
        items = [(Item(loop, loop.time() + delay), discarded) for delay, discarded in wanted]
        for item, _ in items:
            deadlines.add(item, item.due)
        for item, discarded in items:
            if discarded:
                deadlines.discard(item)
        await asyncio.sleep(0.12)
        for item, discarded in items:
            assert len(item.expired_at) == (0 if discarded else 1)
            assert all(at >= item.due - 0.001 for at in item.expired_at)

    asyncio.run(run())


async def test_an_earlier_deadline_is_not_kept_waiting_by_a_later_one() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop, tick=0.01)
    late, early = Item(loop, loop.time() + 60), Item(loop, loop.time() + 0.02)
    deadlines.add(late, late.due)
    deadlines.add(early, early.due)
    await asyncio.sleep(0.1)
    assert (len(early.expired_at), len(late.expired_at)) == (1, 0)
    deadlines.close()
