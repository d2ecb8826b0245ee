"""What the queue is compared with: an actor that does nothing, and the naive way of a command."""

import os
from functools import lru_cache

import dramatiq
import grpc
from django.utils import timezone

from crypto.models import CommandLog, State
from crypto.wire.crypto_streaming_pb2 import DjangoCommand, SendCommandRequest, SyncWalletsCommand
from crypto.wire.crypto_streaming_pb2_grpc import CryptoStreamingServiceStub


@dramatiq.actor
def nothing(row_id: str) -> None:
    """The floor of everything that goes through the queue."""


@dramatiq.actor
def naive(row_id: str) -> None:
    """One message, one unary call, one row saved; the channel at least is kept."""
    row = CommandLog.objects.get(pk=row_id)
    command = DjangoCommand(command_id=str(row.id), sync_wallets=SyncWalletsCommand())
    ack = _stub().ExecuteCommandSync(SendCommandRequest(client_id=str(row.client_id), command=command))
    row.state = State.SUCCEEDED if ack.success else State.FAILED
    row.due_at, row.acked_at, row.finished_at = None, timezone.now(), timezone.now()
    row.save()


@lru_cache(maxsize=1)
def _stub() -> CryptoStreamingServiceStub:
    return CryptoStreamingServiceStub(grpc.insecure_channel(os.environ["FLOOR_ADDRESS"]))
