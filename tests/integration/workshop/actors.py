import os
import time
from pathlib import Path

import dramatiq

from crypto.grpc.services.commands import StreamingCommandClient


def mark(directory: str, name: str) -> None:
    with (Path(directory) / name).open("a") as file:
        file.write(f"{os.getpid()}\n")


@dramatiq.actor
def leave_mark(directory: str, name: str) -> None:
    mark(directory, name)


@dramatiq.actor
async def leave_mark_async(directory: str, name: str) -> None:
    mark(directory, name)


@dramatiq.actor
async def command_client(directory: str, name: str, client_id: str) -> None:
    client = StreamingCommandClient(client_id=client_id)
    handed_over = await client.ping_client(1)
    ack = await client.pause_client_sync("Night", 30.0)
    if handed_over and ack.success:
        mark(directory, name)


@dramatiq.actor
def leave_mark_and_stay(directory: str, name: str, seconds: float) -> None:
    mark(directory, name)
    time.sleep(seconds)
