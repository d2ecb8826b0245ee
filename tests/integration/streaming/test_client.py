"""The command client from wherever callers are."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from asgiref.sync import async_to_sync

from crypto.grpc.streaming import CommandClientConfig, CommandError, CommandTimeoutError
from tests.bots.bot import connected_bot
from tests.bots.grpc.services.commands import BotCommandClient
from tests.bots.server import BotServer
from tests.bots.wire.bots_pb2 import BotCommand, Start

from .node import ROOT, Node, node
from .waiting import until

STORM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from asgiref.sync import async_to_sync
from crypto.grpc.streaming import CommandClientConfig
from tests.bots.grpc.services.commands import BotCommandClient

def run(n):
    client = BotCommandClient("b1", CommandClientConfig(address=sys.argv[1]))
    return sum(async_to_sync(client.start)().success for _ in range(5))

with ThreadPoolExecutor(40) as threads:
    print(sum(threads.map(run, range(40))))
"""

CARELESS = """
import sys
from crypto.grpc.streaming import Courier, Order
from tests.bots.grpc.services.wire import BotControlProtocol
from tests.bots.wire.bots_pb2 import BotCommand, Start

courier = Courier(BotControlProtocol())
courier.execute(sys.argv[1], [Order("nobody", "c1", BotCommand(command_id="c1", start=Start()))]).result()
courier.submit(sys.argv[1], [Order("b1", "c2", BotCommand(command_id="c2", start=Start()), 30.0)], print)
"""


@pytest.fixture
def running() -> Iterator[Node]:
    with node() as started:
        yield started


async def until_known(address: str, bot_id: str) -> None:
    client = BotCommandClient(bot_id, CommandClientConfig(address=address))
    async with asyncio.timeout(10):
        while not await client.send(BotCommand(command_id="hello?", start=Start())):
            await asyncio.sleep(0.05)


async def test_forty_threads_each_with_short_lived_loops(running: Node) -> None:
    def run(n: int) -> int:
        client = BotCommandClient("b1", CommandClientConfig(address=running.address))
        return sum(async_to_sync(client.start)().success for _ in range(5))

    async with connected_bot(running.address, "b1"):
        await until_known(running.address, "b1")
        with ThreadPoolExecutor(40) as threads:
            done = [asyncio.wrap_future(threads.submit(run, n)) for n in range(40)]
            assert sum(await asyncio.gather(*done)) == 200


async def test_a_process_of_callers_ends_cleanly(running: Node) -> None:
    async with connected_bot(running.address, "b1"):
        await until_known(running.address, "b1")
        command = [sys.executable, "-c", STORM, running.address]
        result = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=30
        )
    assert (result.stdout.strip(), result.stderr, result.returncode) == ("200", "", 0)


async def test_a_courier_nobody_closes_does_not_keep_its_process(running: Node) -> None:
    async with connected_bot(running.address, "b1", silent=True):
        command = [sys.executable, "-c", CARELESS, running.address]
        result = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=10
        )
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert "destroyed" not in result.stderr


async def test_send_says_whether_it_was_handed_over(server: BotServer) -> None:
    client = BotCommandClient("b1", CommandClientConfig(address=server.address))
    assert not await client.send(BotCommand(command_id="c1", start=Start()))
    async with connected_bot(server.address, "b1"):
        await until(lambda: server.streams.is_client_connected("b1"))
        assert await client.send(BotCommand(command_id="c1", start=Start()))


async def test_no_ack_in_time_is_a_typed_error(server: BotServer) -> None:
    client = BotCommandClient("b1", CommandClientConfig(address=server.address))
    async with connected_bot(server.address, "b1", silent=True):
        await until(lambda: server.streams.is_client_connected("b1"))
        with pytest.raises(CommandTimeoutError):
            await client.start(timeout=0.2)


async def test_a_frozen_server_is_a_timeout_with_its_cause(running: Node) -> None:
    client = BotCommandClient("b1", CommandClientConfig(address=running.address, margin=0.3))
    async with connected_bot(running.address, "b1"):
        await until_known(running.address, "b1")
        running.freeze()
        with pytest.raises(CommandTimeoutError) as caught:
            await client.start(timeout=0.2)
        assert isinstance(caught.value.__cause__, grpc.aio.AioRpcError)
        running.thaw()
        assert (await client.start()).success


async def test_no_server_is_an_error_but_not_a_timeout() -> None:
    client = BotCommandClient("b1", CommandClientConfig(address="127.0.0.1:1"))
    with pytest.raises(CommandError, match="UNAVAILABLE") as caught:
        await client.start()
    assert not isinstance(caught.value, CommandTimeoutError)
