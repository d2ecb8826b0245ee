"""What a concrete service says about its messages."""

from typing import Generic, TypeVar

from crypto.exceptions import InvalidMessage

from .close_reasons import CloseReason
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

    takes_registration = False
    """Whether `on_message` gets the first message of a stream too, once the client can be sent commands."""

    def client_id_of(self, message: TMessage) -> str | None:
        """The sender named in the message; must be the same in every message of a stream.

        None in a later message: it names nobody, and is the client's whose stream it is.
        """
        raise NotImplementedError

    def command_id_of(self, command: TCommand) -> str:
        raise NotImplementedError

    def ack_of(self, message: TMessage) -> tuple[str, TAck] | None:
        """The command id and the ack, if the message is one."""
        raise NotImplementedError

    def check_registration(self, message: TMessage) -> None:
        """Called with the first message of a stream; raise `ProtocolViolation` to refuse the client."""

    def make_ping(self, session: Session) -> TCommand | None:
        """A command that the client will ack; None for no ping."""
        return None

    async def on_connected(self, session: Session, message: TMessage) -> None:
        """Called for every new stream with its first message. `session.resumed`: the client was never gone.

        Never two at once for one client, and never cut short by a disconnect. Commands reach the client
        once it returns, or after `session.hold()` once `session.release()` is called.
        """

    async def on_message(self, session: Session, message: TMessage) -> None:
        """Called with every later message that is not an ack."""

    async def on_disconnected(self, session: Session, reason: CloseReason) -> None:
        """The client is gone: its last stream ended, and the grace passed without a new one."""

    def on_acked(self, session: Session, command_id: str) -> None:
        """An ack that somebody waited for has been passed on."""

    async def on_orphan_ack(self, session: Session, ack: TAck) -> None:
        """Called with an ack that nobody waits for: late, repeated, or of a command that was only handed over."""

    async def on_invalid(self, session: Session, message: TMessage, error: InvalidMessage) -> None:
        """A hook refused this message. If the protocol has an answer to that, send it here."""

    async def on_serving(self, address: str) -> None:
        """The server has its port and is about to take streams; other processes reach it at `address`."""

    async def on_stopped(self) -> None:
        """The server has stopped; nothing comes after this."""

    def on_drain(self, session: Session) -> None:
        """The server is going away: `session.post` a hint to reconnect here."""
