"""The client by which any process sends commands to one connected client."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import grpc

from crypto.exceptions import ClientNotConnectedError, CommandError, CommandTimeoutError

from .adapter import check_adapter
from .background import background
from .channels import channel_for
from .registry import AnyService, get_streaming_service

TCommand = TypeVar("TCommand")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CommandClientConfig:
    """Seconds."""

    address: str = "127.0.0.1:50051"
    call_timeout: float = 5.0
    """For calls that do not wait for an ack."""
    ack_timeout: float = 15.0
    margin: float = 2.0
    """How much longer than the ack timeout the call itself may take."""
    metadata: Callable[[], tuple[tuple[str, str], ...]] = tuple
    """Asked before each call; credentials travel here."""


class StreamingCommandClient(Generic[TCommand]):
    """Subclass it and name the messages. Use it from any thread and any event loop.

    Where the process holds the streams they are used directly: by the service that is given, or that is registered
    as `service_name`. Elsewhere the server is called, over one channel for the whole process.

    A subclass that leaves out what it needs, or names what its messages do not have, raises TypeError when it is made.
    """

    stub_class: ClassVar[Any]
    request_class: ClassVar[Any]
    rpc_method_name: ClassVar[str]
    """The unary call that hands over; answers with `success` and `error`."""
    wait_method_name: ClassVar[str] = ""
    """The unary call that waits; answers with the ack. Empty: the one call of the service that takes the same request
    and answers with a `command_id`, if there is one."""
    client_id_field: ClassVar[str] = "client_id"
    command_field: ClassVar[str] = "command"
    service_name: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not getattr(cls, "__parameters__", ()):  # else it is still generic: a base of adapters
            cls.wait_method_name = check_adapter(cls)

    def __init__(
        self,
        client_id: str,
        config: CommandClientConfig | None = None,
        *,
        streaming_service: AnyService | None = None,
        grpc_host: str | None = None,
        grpc_port: int | None = None,
        model: Any = None,
    ) -> None:
        """`grpc_host` and `grpc_port` replace their part of the config's address; `model` is kept for the caller."""
        self.client_id = client_id
        self.model = model
        self.config = _at(config or CommandClientConfig(), grpc_host, grpc_port)
        self._streaming_service = streaming_service

    async def send(self, command: TCommand) -> bool:
        """Hand over and do not wait. True: it is on the client's stream.

        Raises CommandError if the server cannot be asked.
        """
        service = self.local_service()
        if service is not None:
            return await service.send_to_client(self.client_id, command)
        answer = await self._call(self.rpc_method_name, command, self.config.call_timeout)
        return bool(answer.success)

    async def send_and_wait(self, command: TCommand, timeout: float | None = None) -> Any:
        """The client's ack. Raises ClientNotConnectedError, CommandTimeoutError or CommandError."""
        seconds = self.config.ack_timeout if timeout is None else timeout
        service = self.local_service()
        if service is not None:
            return await service.send_command_and_wait(self.client_id, command, seconds)
        if not self.wait_method_name:
            raise NotImplementedError(f"{type(self).__name__}: the service has no rpc that waits for the ack")
        ack = await self._call(self.wait_method_name, command, seconds + self.config.margin)
        for error in (ClientNotConnectedError, CommandTimeoutError):
            if not ack.success and ack.error == error.__name__:
                raise error(ack.message)
        return ack

    send_command_and_wait = send_and_wait
    """As the service calls it."""

    def local_service(self) -> AnyService | None:
        """The service whose streams this process holds; None if they live elsewhere."""
        if self._streaming_service is not None or not self.service_name:
            return self._streaming_service
        return get_streaming_service(self.service_name)

    async def _call(self, method: str, command: TCommand, deadline: float) -> Any:
        request = self.request_class(**{self.client_id_field: self.client_id, self.command_field: command})
        return await on_background(self._unary(method, request, deadline))

    async def _unary(self, method: str, request: Any, deadline: float) -> Any:
        call = getattr(self.stub_class(channel_for(self.config.address)), method)
        try:
            return await call(request, timeout=deadline, metadata=self.config.metadata())
        except grpc.aio.AioRpcError as error:
            text = f"{self.config.address} {method}: {error.code().name} {error.details()}"
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise CommandTimeoutError(text) from error
            raise CommandError(text) from error


def _at(config: CommandClientConfig, host: str | None, port: int | None) -> CommandClientConfig:
    old_host, _, old_port = config.address.rpartition(":")
    if host is not None and ":" in host and not host.startswith("["):
        host = f"[{host}]"  # IPv6
    return replace(config, address=f"{host or old_host}:{port or old_port}")


async def on_background(work: Coroutine[Any, Any, T]) -> T:
    """Run a call on the background loop, which owns the channels: the caller's loop may be short-lived."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, background.get()))
