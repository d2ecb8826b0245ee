"""`python -m bench.ours.naive COUNT`: the same commands with a message, a call and a row of its own for each client."""

import sys
from datetime import timedelta
from time import perf_counter, sleep

from django.utils import timezone

from bench.actors import naive
from bench.figures import tell
from crypto.models import Client, CommandLog, Source

LOOK = 0.05
LONG = timedelta(hours=1)
"""Due so late that the sweeper leaves the rows alone."""


def run(count: int) -> None:
    before = timezone.now()
    began = perf_counter()
    for client in Client.objects.order_by("pk")[:count]:
        row = CommandLog.objects.create(
            client=client, command="sync_wallets", timeout=30, source=Source.CODE, due_at=before + LONG
        )
        naive.send(str(row.id))
    rows = CommandLog.objects.filter(created_at__gte=before).order_by()
    while rows.open().exists():
        sleep(LOOK)
    tell(seconds=perf_counter() - began)


if __name__ == "__main__":
    run(int(sys.argv[1]))
