"""`python -m bench.ours.queue nothing|ping COUNT GROUP..`: single messages, to the last one done.

The process groups, workers and schedulers, stand still while the queue is filled.
"""

import os
import signal
import sys
from itertools import cycle, islice
from time import perf_counter, sleep

import dramatiq

from bench.actors import nothing
from bench.figures import tell
from crypto.commands.ping import Ping
from crypto.models import Client, CommandLog, Offline
from crypto.services.ledger.issue import CommandRequest, issue

LOOK = 0.01


def _send_nothing(count: int) -> None:
    for number in range(count):
        nothing.send(str(number))


def _issue_pings(count: int) -> None:
    clients = Client.objects.connected().values_list("pk", flat=True)
    for client_id in islice(cycle(clients), count):
        issue(CommandRequest(client_id=client_id, command=Ping(), offline=Offline.FAIL))


def _queued() -> int:
    broker = dramatiq.get_broker()
    return int(broker.client.hlen(f"{broker.namespace}:{nothing.queue_name}.msgs"))  # type: ignore[attr-defined]


def _open() -> bool:
    return _queued() > 0 or CommandLog.objects.open().order_by().exists()


WAYS = {"nothing": (_send_nothing, _queued), "ping": (_issue_pings, _open)}


def run(way: str, count: int, groups: list[int]) -> None:
    fill, left = WAYS[way]
    for group in groups:
        os.killpg(group, signal.SIGSTOP)
    try:
        began = perf_counter()
        fill(count)
        filled = perf_counter() - began
    finally:
        for group in groups:
            os.killpg(group, signal.SIGCONT)
    began = perf_counter()
    while left():
        sleep(LOOK)
    tell(rate=count / (perf_counter() - began), filled=count / filled)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), [int(group) for group in sys.argv[3:]])
