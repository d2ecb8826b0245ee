"""What `up` asks the database about its demo fleet."""

import asyncio

from django.db import DatabaseError, connection

from crypto.models import Client
from crypto.supervisor.service import Probe


def connected(count: int) -> Probe:
    """Ready when that many clients are connected."""

    def ask() -> bool:
        try:
            return Client.objects.connected().count() >= count
        except DatabaseError:
            return False
        finally:
            connection.close()

    async def probe() -> bool:
        return await asyncio.to_thread(ask)

    return probe


def some_client() -> str | None:
    """The id of a connected client, else of any, to try a command on."""
    try:
        clients = Client.objects.connected().first() or Client.objects.first()
        return str(clients.id) if clients else None
    finally:
        connection.close()
