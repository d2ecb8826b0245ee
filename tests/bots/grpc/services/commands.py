"""The bots' command client: an adapter, nothing else."""

from collections.abc import Iterable
from uuid import uuid4

from crypto.grpc.streaming import Courier, Order, Outcome, StreamingCommandClient
from tests.bots.grpc.services.streams import SERVICE_NAME
from tests.bots.wire.bots_pb2 import BotCommand, CommandAck, SendCommandRequest, Start, Stop, UpdateConfig
from tests.bots.wire.bots_pb2_grpc import BotStreamingStub


class BotCommandClient(StreamingCommandClient[BotCommand]):
    stub_class = BotStreamingStub
    request_class = SendCommandRequest
    rpc_method_name = "SendCommand"
    wait_method_name = "ExecuteCommand"
    client_id_field = "bot_id"
    service_name = SERVICE_NAME

    async def start(self, timeout: float = 5.0) -> CommandAck:
        return await self._run(BotCommand(start=Start()), timeout)

    async def stop(self, reason: str = "", timeout: float = 5.0) -> CommandAck:
        return await self._run(BotCommand(stop=Stop(reason=reason)), timeout)

    async def update_config(self, values: dict[str, str], timeout: float = 5.0) -> CommandAck:
        return await self._run(BotCommand(update_config=UpdateConfig(values=values)), timeout)

    async def restart(self, timeout: float = 5.0) -> CommandAck:
        """Stop, then start; the ack of whichever came last or failed."""
        stopped = await self.stop("restart", timeout)
        return await self.start(timeout) if stopped.success else stopped

    async def _run(self, command: BotCommand, timeout: float) -> CommandAck:
        command.command_id = uuid4().hex
        ack: CommandAck = await self.send_and_wait(command, timeout)
        return ack


def start_all(courier: Courier[BotCommand], address: str, bot_ids: Iterable[str]) -> list[Outcome]:
    return _all(courier, address, [(bot_id, BotCommand(start=Start())) for bot_id in bot_ids])


def stop_all(courier: Courier[BotCommand], address: str, bot_ids: Iterable[str]) -> list[Outcome]:
    return _all(courier, address, [(bot_id, BotCommand(stop=Stop())) for bot_id in bot_ids])


def _all(courier: Courier[BotCommand], address: str, commands: list[tuple[str, BotCommand]]) -> list[Outcome]:
    orders = []
    for bot_id, command in commands:
        command.command_id = uuid4().hex
        orders.append(Order(bot_id, command.command_id, command, timeout=5.0))
    return courier.execute(address, orders).result()
