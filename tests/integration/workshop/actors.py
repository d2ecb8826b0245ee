import os
import time
from pathlib import Path

import dramatiq


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
def leave_mark_and_stay(directory: str, name: str, seconds: float) -> None:
    mark(directory, name)
    time.sleep(seconds)
