"""A later command overrides earlier standing orders: it changes what they made of the clients it names."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from django.db.models import Max

from crypto.commands import Command
from crypto.models import Client, ClientStatus, StandingOrder
from crypto.services.ledger.sql.rows import lock_clients

BATCH = 5_000
"""Clients in one statement, at most."""


class Named(NamedTuple):
    """A client to which a command was issued."""

    id: UUID
    paused_by: int | None
    resume_owed: bool


def override(command: Command, clients: Iterable[Named]) -> None:
    """Record that the command overrides standing orders for these clients. In the caller's transaction."""
    if command.leaves == ClientStatus.ACTIVE:
        ids = [client.id for client in clients if client.paused_by is not None or client.resume_owed]
        if ids:
            last = StandingOrder.objects.aggregate(last=Max("pk"))["last"] or 0
            update_clients(ids, paused_by_id=None, resumed_past=last, resume_owed=False)
    elif command.leaves == ClientStatus.PAUSED:
        update_clients([client.id for client in clients if client.resume_owed], resume_owed=False)


def still_paused_by(command: Command, paused_by: int | None) -> int | None:
    """The standing order that still keeps the client paused after the command has been issued."""
    return None if command.leaves == ClientStatus.ACTIVE else paused_by


def update_clients(ids: list[UUID], **changes: object) -> None:
    """Lock the clients in the common order and update them, batch by batch."""
    for at in range(0, len(ids), BATCH):
        batch = list(lock_clients(ids[at : at + BATCH]).values_list("pk", flat=True))
        Client.objects.filter(pk__among=batch).update(**changes)
