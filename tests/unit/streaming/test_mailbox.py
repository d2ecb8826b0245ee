import asyncio
import threading

import pytest

from crypto.grpc.streaming.mailbox import Mailbox


async def test_what_is_put_in_together_arrives_together_and_in_order() -> None:
    calls: list[list[int]] = []
    mailbox = Mailbox(asyncio.get_running_loop(), calls.append)
    for number in range(5):
        mailbox.put(number)
    assert not mailbox.empty
    await asyncio.sleep(0)
    assert (calls, mailbox.empty) == ([[0, 1, 2, 3, 4]], True)


async def test_many_threads_lose_nothing() -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    received: list[tuple[int, int]] = []

    def receive(items: list[tuple[int, int]]) -> None:
        received.extend(items)
        if len(received) == 8_000:
            done.set()

    mailbox = Mailbox(loop, receive)

    def put_in(thread: int) -> None:
        for number in range(1_000):
            mailbox.put((thread, number))

    threads = [threading.Thread(target=put_in, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(30):
        await done.wait()
    for n in range(8):
        assert [number for thread, number in received if thread == n] == list(range(1_000))


async def test_what_is_put_in_while_receiving_arrives_next_time() -> None:
    calls: list[list[int]] = []

    def receive(items: list[int]) -> None:
        calls.append(items)
        if items == [1]:
            mailbox.put(2)

    mailbox = Mailbox(asyncio.get_running_loop(), receive)
    mailbox.put(1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert calls == [[1], [2]]


def test_a_closed_loop_is_told() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError):
        Mailbox[int](loop, print).put(1)
