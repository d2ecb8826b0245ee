from random import Random

from hypothesis import given
from hypothesis import strategies as st

from crypto.grpc.streaming.window import Window


@given(st.lists(st.integers(1, 5), max_size=60), st.randoms())
def test_never_more_than_its_size_and_everybody_in_turn(wanted: list[int], random: Random) -> None:
    window = Window(5)
    held: list[int] = []
    queue = []
    for places in wanted:
        turn = window.acquire(places)
        if turn is None:
            held.append(places)
        else:
            queue.append((places, turn))
        if held and random.random() < 0.5:
            window.release(held.pop(random.randrange(len(held))))
        while queue and queue[0][1].done():
            held.append(queue.pop(0)[0])
        assert sum(held) <= 5
        assert not any(turn.done() for _, turn in queue)
    while held:
        window.release(held.pop())
        while queue and queue[0][1].done():
            held.append(queue.pop(0)[0])
    assert not queue
