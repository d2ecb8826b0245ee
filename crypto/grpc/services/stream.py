"""The crypto service on the streaming core: what its messages mean."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import grpc

from crypto.commands import registry
from crypto.exceptions import InvalidMessage
from crypto.grpc.services.handlers.journal_digest import acks as digest_acks
from crypto.grpc.services.handlers.register import arrival
from crypto.grpc.services.handlers.table import table
from crypto.grpc.streaming import (
    BidirectionalStreamingService,
    CloseReason,
    Phase,
    ProtocolViolation,
    Session,
    StreamingConfig,
)
from crypto.ids import read_uuid
from crypto.services import conversion
from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.fleet.node_lease import NodeLease
from crypto.services.fleet.presence import Departure, arrive, depart, enqueue_waiting, touch
from crypto.services.ledger.settle import confirmed, record_acks
from crypto.services.reports.inbox import Inbox, Store
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import (
    ClientMessage,
    DjangoCommand,
    JournalAck,
    MessageAck,
    ReconnectHint,
)

TOUCH = 60.0
"""Seconds between two writes of a client's `last_seen`. (That it is connected follows from its node's lease.)"""
RECONNECT_MS = 1_000
RECEIPT = 1.0
"""Seconds that the acknowledgement of a stored message may wait, so that others travel with it."""


@dataclass(slots=True)
class State:
    """What the service keeps of one session."""

    id: UUID
    capabilities: frozenset[str]
    touched: float
    acked: list[str] = field(default_factory=list)
    """Commands acked since the last JournalAck."""
    stored: list[str] = field(default_factory=list)
    """Messages committed since the last MessageAck."""


class CryptoStreams(BidirectionalStreamingService[ClientMessage, DjangoCommand, CommandAck]):
    """Stores what clients say through the inbox; a stream waits while the inbox is full."""

    def __init__(self, config: StreamingConfig) -> None:
        super().__init__(config)
        self.inbox = Inbox()
        self._node = NodeLease()

    async def on_serving(self, address: str) -> None:
        await asyncio.to_thread(self._node.start, address)

    async def on_stopped(self) -> None:
        await asyncio.to_thread(self.inbox.close)
        await asyncio.to_thread(dispatcher().close)
        await asyncio.to_thread(self._node.end)

    def client_id_of(self, message: ClientMessage) -> str:
        return message.client_id

    def command_id_of(self, command: DjangoCommand) -> str:
        return command.command_id

    def ack_of(self, message: ClientMessage) -> tuple[str, CommandAck] | None:
        if message.WhichOneof("payload") != "command_ack":
            return None
        return message.command_ack.command_id, message.command_ack

    def check_registration(self, message: ClientMessage) -> None:
        if read_uuid(message.client_id) is None:
            raise _refused(f"client_id is not a UUID: {message.client_id[:64]!r}")
        if message.WhichOneof("payload") != "register":
            raise ProtocolViolation(
                grpc.StatusCode.FAILED_PRECONDITION, "the first message must be `register`"
            )

    def make_ping(self, session: Session) -> DjangoCommand | None:
        return registry["ping"]().to_wire(uuid4())

    async def on_connected(self, session: Session, message: ClientMessage) -> None:
        id = UUID(session.client_id)
        try:
            came = arrival(id, self._node.id, message)
        except InvalidMessage as error:
            raise _refused(str(error)) from error
        session.state = State(id, frozenset(came.capabilities), monotonic())
        session.epoch = await self._store(arrive, came) or 0
        if "journal" in came.capabilities:
            session.hold()
        else:
            self.inbox.put(enqueue_waiting, id)

    async def on_message(self, session: Session, message: ClientMessage) -> None:
        payload = message.WhichOneof("payload")
        state: State = session.state
        if payload is None:
            return  # from a newer client: not for us
        if payload == "register":
            raise InvalidMessage("`register` comes once, at the start of a stream")
        if payload == "journal_digest":
            await self._read_digest(session, message)
        elif payload == "heartbeat" and monotonic() - state.touched < TOUCH:
            return
        else:
            handler = table[payload]
            stored = self.inbox.put(handler.store, handler.parse(state.id, message))
            if message.message_id and "message_ack" in state.capabilities:
                stored.add_done_callback(partial(self._stored, session, message.message_id))
            if payload == "heartbeat":
                await self._confirm(session)
        if self.inbox.full:
            await self._store(touch, state.id)

    async def on_disconnected(self, session: Session, reason: CloseReason) -> None:
        if session.epoch:
            await self._store(depart, Departure(UUID(session.client_id), session.epoch))

    def on_acked(self, session: Session, command_id: str) -> None:
        if "journal" in session.state.capabilities:
            session.state.acked.append(command_id)

    async def on_orphan_ack(self, session: Session, ack: CommandAck) -> None:
        self.on_acked(session, ack.command_id)
        self.inbox.put(record_acks, conversion.ack(session.state.id, ack))

    async def on_invalid(self, session: Session, message: ClientMessage, error: InvalidMessage) -> None:
        """A refused message is acknowledged too, or the client would send it again and again."""
        if message.message_id and "message_ack" in session.state.capabilities:
            self._acknowledge(session, message.message_id)

    def on_drain(self, session: Session) -> None:
        self._send_message_ack(session)
        if "reconnect" in session.state.capabilities:
            session.post(DjangoCommand(reconnect=ReconnectHint(after_ms=RECONNECT_MS)))

    async def _store(self, store: Store, record: Any) -> Any:
        return await self.inbox.store(store, record)

    async def _read_digest(self, session: Session, message: ClientMessage) -> None:
        """What the journal knows is settled before the client is sent anything new."""
        acks = digest_acks(session.state.id, message)
        await asyncio.gather(*(self._store(record_acks, ack) for ack in acks))
        digest = message.journal_digest
        ids = [ack.command_id for ack in digest.finished] + list(digest.unknown)
        session.post(DjangoCommand(journal_ack=JournalAck(command_ids=ids)))
        if session.phase is Phase.HELD:
            session.release()
            self.inbox.put(enqueue_waiting, session.state.id)

    async def _confirm(self, session: Session) -> None:
        """Tell the client which of its acks are committed, so that its journal need not present them again."""
        state: State = session.state
        state.touched = monotonic()
        if state.acked:
            asked, state.acked = state.acked, []
            found = await asyncio.gather(*(self._store(confirmed, (state.id, c)) for c in asked))
            committed = [c for c, is_stored in zip(asked, found, strict=True) if is_stored]
            state.acked.extend(set(asked).difference(committed))
            session.post(DjangoCommand(journal_ack=JournalAck(command_ids=committed)))

    def _stored(self, session: Session, message_id: str, done: Future[Any]) -> None:
        """On the inbox's thread. A message that could not be stored is not acknowledged: the client sends it again."""
        if done.exception() is None:
            session.loop.call_soon_threadsafe(self._acknowledge, session, message_id)

    def _acknowledge(self, session: Session, message_id: str) -> None:
        """One MessageAck for everything that is stored within RECEIPT seconds."""
        stored = session.state.stored
        if not stored:
            session.loop.call_later(RECEIPT, self._send_message_ack, session)
        stored.append(message_id)

    def _send_message_ack(self, session: Session) -> None:
        stored, session.state.stored = session.state.stored, []
        if stored:
            session.post(DjangoCommand(message_ack=MessageAck(message_ids=stored)))


def _refused(text: str) -> ProtocolViolation:
    return ProtocolViolation(grpc.StatusCode.INVALID_ARGUMENT, text)
