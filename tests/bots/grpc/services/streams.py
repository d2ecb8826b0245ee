"""What the streaming core must know of the bots' messages."""

from uuid import uuid4

import grpc

from crypto.exceptions import InvalidMessage
from crypto.grpc.streaming import (
    BidirectionalStreamingService,
    CloseReason,
    ProtocolViolation,
    Session,
    StreamingConfig,
)
from tests.bots.wire.bots_pb2 import BotCommand, BotMessage, CommandAck, Goodbye, Ping

SERVICE_NAME = "bots"


class BotStreams(BidirectionalStreamingService[BotMessage, BotCommand, CommandAck]):
    def __init__(self, config: StreamingConfig | None = None) -> None:
        super().__init__(config)
        self.events: list[str] = []
        self.profits: dict[str, float] = {}
        self.orphans: list[str] = []
        self.seen = 0
        """Streams that have registered so far."""

    def client_id_of(self, message: BotMessage) -> str:
        if not message.bot_id:
            raise ProtocolViolation(grpc.StatusCode.INVALID_ARGUMENT, "bot_id is missing")
        return message.bot_id

    def ack_of(self, message: BotMessage) -> tuple[str, CommandAck] | None:
        return (message.ack.command_id, message.ack) if message.HasField("ack") else None

    def check_registration(self, message: BotMessage) -> None:
        self.seen += 1
        if not message.HasField("hello"):
            raise ProtocolViolation(grpc.StatusCode.FAILED_PRECONDITION, "say hello first")

    def make_ping(self, session: Session) -> BotCommand:
        return BotCommand(command_id=uuid4().hex, ping=Ping())

    async def on_connected(self, session: Session, message: BotMessage) -> None:
        self.events.append(f"{'resumed' if session.resumed else 'connected'} {session.client_id}")

    async def on_message(self, session: Session, message: BotMessage) -> None:
        if message.report.profit < 0:
            raise InvalidMessage("a bot never loses")
        self.profits[session.client_id] = message.report.profit

    async def on_disconnected(self, session: Session, reason: CloseReason) -> None:
        self.events.append(f"disconnected {session.client_id}: {reason.name}")

    async def on_orphan_ack(self, session: Session, ack: CommandAck) -> None:
        self.orphans.append(ack.command_id)

    def on_drain(self, session: Session) -> None:
        session.post(BotCommand(goodbye=Goodbye()))
