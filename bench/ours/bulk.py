"""`python -m bench.ours.bulk COUNT`: `sync_all` over every client, from its issue to the last row committed."""

import sys
from time import perf_counter, sleep

from bench.figures import tell
from crypto.commands.sync_wallets import SyncWallets
from crypto.models import CommandLog, State
from crypto.models.command_log import OPEN
from crypto.services.operations.start import OperationRequest, start

LOOK = 0.02
"""Seconds between two looks at the ledger."""


def run(count: int) -> None:
    began = perf_counter()
    operation = start(OperationRequest(command=SyncWallets()))
    issued = perf_counter() - began
    rows = CommandLog.objects.filter(operation=operation.pk).order_by()
    while rows.filter(state__in=OPEN).exists():
        sleep(LOOK)
    tell(seconds=perf_counter() - began, issued=issued)
    succeeded = rows.filter(state=State.SUCCEEDED).count()
    if not succeeded == operation.targets == count:
        raise SystemExit(f"{succeeded} of {operation.targets} succeeded, {count} clients")


if __name__ == "__main__":
    run(int(sys.argv[1]))
