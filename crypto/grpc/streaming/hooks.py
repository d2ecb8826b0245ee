"""What a concrete service says about its messages."""

from typing import Generic, TypeVar

from crypto.exceptions import InvalidMessage

from .ending import StreamEnd
from .session import Session

TMessage = TypeVar("TMessage")
TCommand = TypeVar("TCommand")
TAck = TypeVar("TAck")


class StreamHooks(Generic[TMessage, TCommand, TAck]):
    """Override what the service needs. All are called on the service's event loop.

    Any of those that see a message may raise `InvalidMessage` (the message is refused, the stream
    lives) or `ProtocolViolation` (the stream ends). The stream is not read while an async hook works
    on it: that is the back-pressure.
    """

    def client_id_of(self, message: TMessage) -> str:
        """The sender named in the message; must be the same in every message of a stream."""
        raise NotImplementedError

    def command_id_of(self, command: TCommand) -> str:
        raise NotImplementedError

    def ack_of(self, message: TMessage) -> tuple[str, TAck] | None:
        """The command id and the ack, if the message is one."""
        raise NotImplementedError

    def check_hello(self, message: TMessage) -> None:
        """Refuse a bad first message by raising `ProtocolViolation`."""

    def make_ping(self, session: Session) -> TCommand | None:
        """A command the client will ack, or None for no ping."""
        return None

    async def on_connected(self, session: Session, message: TMessage) -> None:
        """Every new stream, with its first message; `session.resumed` says that this is no news.

        Never two at once for one client, never cut short by a disconnect. Commands reach the client
        once it returns.
        """

    async def on_message(self, session: Session, message: TMessage) -> None:
        """Every later message that is not an ack."""

    async def on_disconnected(self, session: Session, reason: StreamEnd) -> None:
        """The client is gone: its last stream ended and the grace passed without a new one."""

    def on_acked(self, session: Session, command_id: str) -> None:
        """An ack somebody waited for has been passed on."""

    async def on_orphan_ack(self, session: Session, ack: TAck) -> None:
        """An ack nobody waits for: late, repeated, or of a command that was only handed over."""

    async def on_invalid(self, session: Session, message: TMessage, error: InvalidMessage) -> None:
        """A message was refused; answer the client here if the protocol has an answer."""

    async def on_serving(self, address: str) -> None:
        """The server has its port and is about to take streams; the control plane reaches it at `address`."""

    async def on_stopped(self) -> None:
        """The server has stopped; nothing comes after this."""

    def on_drain(self, session: Session) -> None:
        """The node is going away; `session.post` a reconnect hint here."""
