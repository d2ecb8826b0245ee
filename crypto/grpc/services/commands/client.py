import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import fields
from functools import partial
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asgiref.sync import markcoroutinefunction

from crypto.commands import Command, registry
from crypto.commands.parameters import of
from crypto.exceptions import ClientNotConnectedError, CommandError, CommandTimeoutError, InvalidParameters
from crypto.grpc.services.answer import command_ack
from crypto.grpc.services.commands.caller import in_callers_transaction
from crypto.grpc.streaming.registry import AnyService
from crypto.ids import read_uuid
from crypto.models import Source, State
from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.ledger.issue import CommandRequest, issue
from crypto.wire.common_pb2 import CommandAck

Method = Callable[..., Coroutine[Any, Any, Any]]


class StreamingCommandClient:
    """Commands one client. Cheap to make; use it from any thread and any event loop.

    For each command of the registry there are `<method>(*parameters) -> bool` and
    `<method>_sync(*parameters, timeout=seconds) -> CommandAck`; see `hand_over` and `execute`. Parameters and timeout
    may be given by position or by name; None stands for the default.
    """

    if TYPE_CHECKING:
        # The methods made from the registry, as far as a type checker can know them.
        def __getattr__(self, name: str) -> Method: ...

    def __init__(
        self,
        client_id: str | UUID,
        *,
        principal: str = "",
        model: Any = None,
        streaming_service: AnyService | None = None,
        grpc_host: str | None = None,
        grpc_port: int | None = None,
    ) -> None:
        """`model` is kept for the caller, whatever it is.

        `streaming_service`, `grpc_host` and `grpc_port` are not needed and change nothing: the service of this process
        is registered, and the ledger knows the node that holds the client's stream.

        Raises InvalidParameters if `client_id` is not a UUID; any usual spelling of one will do.
        """
        self.client_id = str(client_id)
        self.principal = principal
        self.model = model
        self.streaming_service = streaming_service
        self.grpc_host = grpc_host
        self.grpc_port = grpc_port
        id = read_uuid(self.client_id)
        if id is None:
            raise InvalidParameters({"client_id": ["Must be a UUID."]})
        self._id = id

    async def hand_over(self, command: Command) -> bool:
        """Send and do not wait: the ack is stored when it comes. False: the client has not got it.

        Inside a transaction of its caller the command is recorded with it, and leaves when it commits: True means
        recorded then. (Only a caller that waits is known: through `async_to_sync` or `asyncio.run`.)
        """
        request = self._request(command, wait=False)
        try:
            if await in_callers_transaction(partial(issue, request)):
                return True
            result = await asyncio.wrap_future(dispatcher().execute(request))
        except ClientNotConnectedError:
            return False
        return result.state == State.SENT

    async def execute(self, command: Command, timeout: float | None = None) -> CommandAck:
        """Send and wait for the ack, `timeout` seconds or the command's own.

        Raises ClientNotConnectedError, CommandTimeoutError (the outcome is unknown) or CommandError; RuntimeError
        where the caller is inside a transaction.
        """
        request = self._request(command, timeout=timeout)
        if await in_callers_transaction(lambda: None):
            raise RuntimeError(
                f"{command.method}_sync() cannot wait for an ack inside a transaction; call {command.method}(): "
                "it is recorded with the transaction and leaves when that commits"
            )
        result = await asyncio.wrap_future(dispatcher().execute(request))
        if result.ack is not None or result.state == State.REJECTED:
            return command_ack(str(result.id), result)
        error = {State.NOT_CONNECTED: ClientNotConnectedError, State.TIMED_OUT: CommandTimeoutError}
        raise error.get(result.state, CommandError)(f"{command.name} {result.id}: {result.why}")

    def _request(self, command: Command, **options: Any) -> CommandRequest:
        return CommandRequest(
            client_id=self._id, command=command, source=Source.CODE, principal=self.principal, **options
        )


def _method(cls: type[Command], *, waits: bool) -> Method:
    """The client's method for a command. Raises TypeError, when called, for arguments that it does not have."""
    name = f"{cls.method}_sync" if waits else cls.method
    signature = _signature(cls, waits=waits)

    def method(self: StreamingCommandClient, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        try:
            given = signature.bind(self, *args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        del given["self"]
        timeout = given.pop("timeout", None) if waits else None
        command = cls.parse({key: value for key, value in given.items() if value is not None})
        return self.execute(command, timeout) if waits else self.hand_over(command)

    method.__name__, method.__qualname__ = name, f"{StreamingCommandClient.__name__}.{name}"
    method.__doc__ = f"{cls.__doc__} Parameters: {', '.join(of(cls)) or 'none'}."
    method.__signature__ = signature  # type: ignore[attr-defined]
    return markcoroutinefunction(method)


def _signature(cls: type[Command], *, waits: bool) -> Signature:
    def parameter(name: str, default: Any, annotation: Any) -> Parameter:
        return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)

    parameters = [parameter(f.name, f.default, f.type) for f in fields(cls)]
    if waits:
        parameters.append(parameter("timeout", None, float | None))
    me = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    return Signature([me, *parameters], return_annotation=CommandAck if waits else bool)


for _cls in registry.values():
    for _made in (_method(_cls, waits=False), _method(_cls, waits=True)):
        setattr(StreamingCommandClient, _made.__name__, _made)
