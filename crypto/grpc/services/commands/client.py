import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crypto.commands import Command, registry
from crypto.commands.parameters import of
from crypto.exceptions import ClientNotConnectedError, CommandError, CommandTimeoutError, InvalidParameters
from crypto.grpc.services.answer import command_ack
from crypto.grpc.streaming import StreamingCommandClient as BaseClient
from crypto.ids import read_uuid
from crypto.models import Source, State
from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.delivery.transport import SERVICE
from crypto.services.ledger.attempt import Result
from crypto.services.ledger.issue import CommandRequest
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import DjangoCommand, SendCommandRequest
from crypto.wire.crypto_streaming_pb2_grpc import CryptoStreamingServiceStub

Method = Callable[..., Coroutine[Any, Any, Any]]


class StreamingCommandClient(BaseClient[DjangoCommand]):
    """Commands one client. Cheap to make; use it from any thread and any event loop, outside transactions.

    Raises InvalidParameters if `client_id` is not a UUID. For each command of the registry there are
    `<method>(**parameters) -> bool`, true once the client's stream has it, and
    `<method>_sync(**parameters, timeout=seconds) -> CommandAck`, which raises ClientNotConnectedError,
    CommandTimeoutError (the outcome is unknown), or CommandError.
    """

    stub_class = CryptoStreamingServiceStub
    request_class = SendCommandRequest
    rpc_method_name = "SendCommandToClient"
    wait_method_name = "ExecuteCommandSync"
    client_id_field = "client_id"
    service_name = SERVICE

    if TYPE_CHECKING:
        # The methods made from the registry, as far as a type checker can know them.
        def __getattr__(self, name: str) -> Method: ...

    def __init__(self, client_id: str | UUID, *, principal: str = "") -> None:
        super().__init__(str(client_id))
        self.principal = principal
        id = read_uuid(self.client_id)
        if id is None:
            raise InvalidParameters({"client_id": ["Must be a UUID."]})
        self._id = id

    async def hand_over(self, command: Command) -> bool:
        """Send and do not wait: the ack is stored when it comes. False: the client has not got it."""
        try:
            result = await self._execute(command, None, wait=False)
        except ClientNotConnectedError:
            return False
        return result.state == State.SENT

    async def execute(self, command: Command, timeout: float | None = None) -> CommandAck:
        """Send and wait for the ack, `timeout` seconds or the command's own."""
        result = await self._execute(command, timeout, wait=True)
        if result.ack is not None or result.state == State.REJECTED:
            return command_ack(str(result.id), result)
        error = {State.NOT_CONNECTED: ClientNotConnectedError, State.TIMED_OUT: CommandTimeoutError}
        raise error.get(result.state, CommandError)(f"{command.name} {result.id}: {result.why}")

    async def _execute(self, command: Command, timeout: float | None, *, wait: bool) -> Result:
        request = CommandRequest(
            client_id=self._id,
            command=command,
            timeout=timeout,
            wait=wait,
            source=Source.CODE,
            principal=self.principal,
        )
        return await asyncio.wrap_future(dispatcher().execute(request))


def _methods(
    cls: type[Command],
) -> tuple[Method, Method]:
    names = list(of(cls))

    async def send(self: StreamingCommandClient, *args: Any, **params: Any) -> bool:
        return await self.hand_over(_parse(args, params))

    async def send_sync(
        self: StreamingCommandClient, *args: Any, timeout: float | None = None, **params: Any
    ) -> CommandAck:
        return await self.execute(_parse(args, params), timeout)

    def _parse(args: tuple[Any, ...], params: dict[str, Any]) -> Command:
        return cls.parse(dict(zip(names, args, strict=False)) | params)

    described = f"{cls.__doc__} Parameters: {', '.join(names) or 'none'}."
    for method, name in ((send, cls.method), (send_sync, f"{cls.method}_sync")):
        method.__name__, method.__doc__ = name, described
    return send, send_sync


for _cls in registry.values():
    for _method in _methods(_cls):
        setattr(StreamingCommandClient, _method.__name__, _method)
