"""A process that reads the ledger for the harness: a question a line on stdin, an answer a line on stdout."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import django

django.setup()

from django.db import close_old_connections  # noqa: E402
from django.db.models import Count  # noqa: E402

from crypto.commands import registry  # noqa: E402
from crypto.models import Client, CommandLog  # noqa: E402
from crypto.services.ledger.queue import enqueue  # noqa: E402

PLAIN = ("command", "state", "attempt", "max_attempts", "offline", "seen", "late", "dedupe_key")
TIMES = ("due_at", "expires_at", "created_at", "sent_at", "finished_at", "acked_at")
IDS = ("id", "claim", "superseded_by")


def totals() -> dict[str, int]:
    return dict(CommandLog.objects.order_by().values_list("state").annotate(Count("pk")))


def clients() -> dict[str, Any]:
    return {
        str(client.pk): {
            "connected": client.is_connected,
            "epoch": client.session_epoch,
            "journal": "journal" in client.capabilities,
        }
        for client in Client.objects.select_related("node")
    }


def rows() -> list[dict[str, Any]]:
    return [_row(row) for row in CommandLog.objects.order_by("created_at", "pk")]


def commands() -> dict[str, bool]:
    """Every command and whether it is idempotent."""
    return {name: cls.idempotent for name, cls in registry.items()}


def ring_again() -> int:
    """Ring a second time for some of what was issued last, done or not: messages are delivered at least once."""
    known = list(CommandLog.objects.order_by("-created_at").values_list("lane", "pk")[:100])
    enqueue(known)
    return len(known)


def _row(row: CommandLog) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in PLAIN},
        **{name: _seconds(getattr(row, name)) for name in TIMES},
        **{name: str(value) if (value := getattr(row, name)) else None for name in IDS},
        "client": str(row.client_id),
        "steps": [(step.at.timestamp(), step.state, step.process, step.why) for step in row.steps],
    }


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


ANSWERS: dict[str, Callable[[], Any]] = {
    one.__name__: one for one in (totals, clients, rows, commands, ring_again)
}

if __name__ == "__main__":
    for line in sys.stdin:
        close_old_connections()
        print(json.dumps(ANSWERS[line.strip()]()), flush=True)
