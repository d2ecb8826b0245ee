"""Commands that wait for clients which are offline, and then all connect at once.

`python -m tests.chaos.backlog --clients FILE --each N --record FILE` queues them; `arrive` is the whole scenario.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from tests.chaos import checker
from tests.chaos.checker import Violation
from tests.chaos.collect import collect
from tests.chaos.evidence import OPEN, Evidence
from tests.chaos.world import Scale, World

VERB = "get_wallets"
"""One conflict class: at each client its commands run one after the other."""


@dataclass(frozen=True, slots=True)
class Arrival:
    commands: int
    queued_in: float
    """Seconds it took to queue them."""
    done_in: float
    """Seconds from the first connection until nothing was open."""
    violations: list[Violation]
    out_of_order: int
    """Commands that ran before one which was issued earlier for the same client."""


def arrive(
    directory: Path,
    clients: int,
    each: int,
    say: Callable[[str], None],
    *,
    seed: int = 1,
    database_url: str | None = None,
    within: float = 300.0,
) -> Arrival:
    """Raises AssertionError if not everything has ended `within` so many seconds."""
    world = World(directory, seed, Scale(clients=clients), database_url=database_url)
    try:
        world.start(without=world.fleets)
        queued_in = _queue(world, each)
        say(f"{clients * each} commands queued in {queued_in:.1f} s")
        begin = time.monotonic()
        for fleet in world.fleets:
            fleet.start()
        while (totals := world.observer.ask("totals")).keys() & OPEN:
            assert time.monotonic() < begin + within, f"not done in {within} s: {totals}"
            time.sleep(0.5)
        done_in = time.monotonic() - begin
        say(f"all done {done_in:.1f} s after they began to connect: {totals}")
        for fleet in world.fleets:
            fleet.stop()
        evidence = collect(world, frozenset(), quiet=True)
    finally:
        world.close()
    return Arrival(
        clients * each,
        round(queued_in, 1),
        round(done_in, 1),
        checker.check(evidence),
        out_of_order(evidence),
    )


def out_of_order(evidence: Evidence) -> int:
    issued = {issued.id: place for place, issued in enumerate(evidence.issued)}
    ran: dict[str, list[int]] = defaultdict(list)
    for effect in evidence.effects:
        if effect.command in issued:
            ran[effect.client].append(issued[effect.command])
    return sum(
        sum(place < highest for place, highest in zip(places[1:], _highest(places), strict=False))
        for places in ran.values()
    )


def _highest(places: list[int]) -> list[int]:
    """The highest of the places up to each."""
    return [max(places[: at + 1]) for at in range(len(places))]


def _queue(world: World, each: int) -> float:
    begin = time.monotonic()
    options = ("--clients", world.directory / "client_ids", "--record", world.directory / "record")
    with world.run("backlog", "-m", "tests.chaos.backlog", *options, "--each", each) as queuing:
        assert queuing.popen.wait(600) == 0, queuing.text
    return time.monotonic() - begin


def queue(clients: list[UUID], each: int, record: Path) -> None:
    """One command after the other to every client in turn, so that each client's are spread over all of them."""
    # Late: only the process that queues has a database.
    import django  # noqa: PLC0415

    django.setup()
    from crypto.commands import registry  # noqa: PLC0415
    from crypto.models import Client, Offline  # noqa: PLC0415
    from crypto.services.ledger.issue import CommandRequest, issue  # noqa: PLC0415

    Client.objects.bulk_create([Client(id=id) for id in clients])
    with record.open("w") as file:
        for _ in range(each):
            for id in clients:
                asked = CommandRequest(
                    client_id=id,
                    command=registry[VERB](),
                    offline=Offline.QUEUE,
                    expires_in=timedelta(hours=1),
                )
                row = issue(asked)
                line = {"what": "has", "id": str(row.pk), "client": str(id), "command": VERB, "key": None}
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=Path, required=True, help="file with a UUID a line")
    parser.add_argument("--each", type=int, required=True)
    parser.add_argument("--record", type=Path, required=True)
    given = parser.parse_args()
    queue([UUID(line) for line in given.clients.read_text().split()], given.each, given.record)
