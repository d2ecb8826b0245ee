"""A crypto client written from the first contract alone: no capabilities, no journal, no code of the agent's."""

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Self
from uuid import uuid4

import grpc

from crypto.wire.common_pb2 import CLIENT_STATUS_ACTIVE, CommandAck
from crypto.wire.crypto_streaming_pb2 import ClientMessage, ClientRegistration, DjangoCommand
from crypto.wire.crypto_streaming_pb2_grpc import CryptoStreamingServiceStub

Answer = Callable[[DjangoCommand], CommandAck | None]


def succeed(command: DjangoCommand) -> CommandAck:
    return CommandAck(
        command_id=command.command_id, success=True, message="done", current_status=CLIENT_STATUS_ACTIVE
    )


def stay_silent(command: DjangoCommand) -> None:
    return None


class ContractClient:
    """One stream, on a thread of its own. `answer` says what becomes of a command."""

    def __init__(self, address: str, client_id: str | None = None, answer: Answer = succeed) -> None:
        self.client_id = client_id or str(uuid4())
        self.answer = answer
        self.commands: SimpleQueue[DjangoCommand] = SimpleQueue()
        self.ended: SimpleQueue[grpc.RpcError | None] = SimpleQueue()
        self._outgoing: SimpleQueue[ClientMessage | None] = SimpleQueue()
        self._channel = grpc.insecure_channel(address)
        self.stub = CryptoStreamingServiceStub(self._channel)

    def __enter__(self) -> Self:
        self.call: Any = self.stub.ConnectClient(self._messages())
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._outgoing.put(None)
        self.call.cancel()
        self._reader.join(10)
        self._channel.close()

    def register(self, **registration: Any) -> Self:
        """The first message."""
        return self.say(register=ClientRegistration(**({"client_name": "contract"} | registration)))

    def say(self, client_id: str | None = None, message_id: str = "", **payload: Any) -> Self:
        sender = self.client_id if client_id is None else client_id
        self._outgoing.put(ClientMessage(client_id=sender, message_id=message_id, **payload))
        return self

    def next_command(self, timeout: float = 20) -> DjangoCommand:
        return self.commands.get(timeout=timeout)

    def no_command(self, until: Callable[[], object], timeout: float = 20) -> None:
        """Fails if a command arrives before `until` holds."""
        deadline = monotonic() + timeout
        while not until():
            assert monotonic() < deadline, "the event did not come"
            try:
                command = self.commands.get(timeout=0.05)
            except Empty:
                continue
            raise AssertionError(f"unexpected command {command}")

    def end(self, timeout: float = 20) -> tuple[grpc.StatusCode, str]:
        """How the server ended the stream."""
        error: Any = self.ended.get(timeout=timeout)
        return (error.code(), error.details()) if error is not None else (grpc.StatusCode.OK, "")

    def _messages(self) -> Iterator[ClientMessage]:
        while (message := self._outgoing.get()) is not None:
            yield message

    def _read(self) -> None:
        try:
            for command in self.call:
                self.commands.put(command)
                ack = self.answer(command)
                if ack is not None:
                    self.say(command_ack=ack)
        except grpc.RpcError as error:
            self.ended.put(error)
        else:
            self.ended.put(None)
