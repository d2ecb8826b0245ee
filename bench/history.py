"""What the history of a row costs: the life of a command with and without it, in the same run.

python -m bench.history [--commands N] [--rounds N]         on SQLite
TEST_DATABASE=postgres python -m bench.history              on PostgreSQL
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import django
from django.db import connection

BATCH = 500


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commands", type=int, default=4_000, help="commands of one round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each kind, in turn")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    connection.creation.create_test_db(verbosity=0)
    try:
        measure(options.commands, options.rounds)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def measure(commands: int, rounds: int) -> None:
    # Late: models need Django set up.
    from crypto.models import command_log  # noqa: PLC0415
    from crypto.services.ledger import issue, issue_inline  # noqa: PLC0415

    real = command_log.step_line
    kinds: dict[str, Callable[..., str]] = {"with": real, "without": lambda *args, **kwargs: ""}
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    sizes: dict[str, float] = {}
    for _ in range(rounds):
        for kind, step_line in kinds.items():
            for module in (command_log, issue, issue_inline):
                module.step_line = step_line  # type: ignore[attr-defined]
            taken, sizes[kind] = live(commands)
            seconds[kind].append(taken)
    for kind, times in seconds.items():
        rate = commands / statistics.median(times)
        print(f"{kind:8} history: {rate:8.0f} commands/s, {sizes[kind]:5.0f} bytes of history a row")
    ratio = statistics.median(seconds["with"]) / statistics.median(seconds["without"])
    print(f"{connection.vendor}: time with history / without = {ratio:.2f}")


def live(commands: int) -> tuple[float, float]:
    """Issue, claim and settle so many in batches; seconds, and bytes of history a row."""
    from django.utils import timezone  # noqa: PLC0415

    from crypto.commands.ping import Ping  # noqa: PLC0415
    from crypto.models import Client, CommandLog  # noqa: PLC0415
    from crypto.services.ledger.claim import claim  # noqa: PLC0415
    from crypto.services.ledger.issue import CommandRequest  # noqa: PLC0415
    from crypto.services.ledger.settle import Ack, record_acks  # noqa: PLC0415
    from tests.support import ledger  # noqa: PLC0415

    CommandLog.objects.all().delete()
    Client.objects.all().delete()
    client = ledger.client(ledger.node())
    begin = time.perf_counter()
    for start in range(0, commands, BATCH):
        now = timezone.now()
        rows = [
            CommandRequest(client_id=client.id, command=Ping(sequence=number)).row(now, "")
            for number in range(start, min(start + BATCH, commands))
        ]
        CommandLog.objects.bulk_create(rows)
        attempts = claim([row.id for row in rows])
        record_acks([Ack(attempt.id, client.id, True, "pong", at=now) for attempt in attempts])
    taken = time.perf_counter() - begin
    return taken, sum(len(row.history) for row in CommandLog.objects.only("history")[:100]) / 100


if __name__ == "__main__":
    main()
