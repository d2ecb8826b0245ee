"""A process that issues commands, as callers do, and writes down what it was told: `python -m tests.chaos.commander`.

Each line of the record is a JSON object. An id is written down before it is used ("will") and again when the ledger
has it ("has"): what was willed and never had may be on record or not, what was had must be.
"""

import argparse
import json
import math
import os
import random
import signal
import threading
import time
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import django

django.setup()

from django.db import DatabaseError, close_old_connections  # noqa: E402

from crypto.commands import Command, registry  # noqa: E402
from crypto.exceptions import DedupeConflict, OrchestratorError  # noqa: E402
from crypto.models import Offline  # noqa: E402
from crypto.services.delivery.dispatcher import dispatcher  # noqa: E402
from crypto.services.ledger.cancel import cancel  # noqa: E402
from crypto.services.ledger.issue import CommandRequest, issue  # noqa: E402

VERBS = {
    "ping": 8,
    "pause": 2,
    "resume": 2,
    "sync_wallets": 4,
    "request_status": 4,
    "get_wallets": 3,
    "update_config": 2,
    "restart": 2,
}
THREADS = 4


class Commander:
    """One thread's worth of a caller."""

    def __init__(self, seed: str, clients: list[UUID], record: int) -> None:
        self._lot = random.Random(seed)
        self._clients = clients
        self._record = record
        self._keyed: list[CommandRequest] = []
        self._recent: deque[UUID] = deque(maxlen=20)
        self._version = 0

    def act(self) -> None:
        """One act; raises what the ledger raises."""
        acts = (self.queue, self.burst, self.inline, self.repeat, self.cancel)
        self._lot.choices(acts, (6, 1, 2, 1, 1))[0]()

    def queue(self) -> None:
        self._issue(self._request())

    def burst(self) -> None:
        for _ in range(self._lot.randrange(5, 30)):
            self._issue(self._request())

    def inline(self) -> None:
        request = self._request(wait=self._lot.random() < 0.8)
        self._write("will", request)
        future = dispatcher().execute(request)
        self._write("has", request, str(future.result(60).id))

    def repeat(self) -> None:
        """The same key again: the same command, or a refusal if it is for something else."""
        if not self._keyed or self._lot.random() < 0.5:
            request = self._request(dedupe_key=f"key-{self._lot.getrandbits(64):x}")
            self._issue(request)
            self._keyed.append(request)
            return
        first = self._lot.choice(self._keyed)
        again = self._request(client_id=first.client_id, command=first.command, dedupe_key=first.dedupe_key)
        self._issue(again)
        try:
            issue(
                self._request(client_id=first.client_id, command=_other(first), dedupe_key=first.dedupe_key)
            )
        except DedupeConflict:
            return
        self._write("has", first, "another command under the same key was accepted")

    def cancel(self) -> None:
        """Something of late, in whatever state it is."""
        if self._recent:
            cancel([self._lot.choice(self._recent)], "chaos")

    def _issue(self, request: CommandRequest) -> None:
        self._write("will", request)
        id = issue(request).id
        self._write("has", request, str(id))
        self._recent.append(id)

    def _request(self, **given: Any) -> CommandRequest:
        lot = self._lot
        values: dict[str, Any] = {
            "id": UUID(int=lot.getrandbits(128), version=4),
            "client_id": lot.choice(self._clients),
            "command": self._command(lot.choices(list(VERBS), list(VERBS.values()))[0]),
            "offline": lot.choices(list(Offline), (4, 4, 1))[0],
            "timeout": lot.choice((1.0, 2.0, 4.0)),
            "expires_in": timedelta(seconds=lot.choice((2, 15, 40))),
            "principal": "chaos",
        }
        return CommandRequest(**{**values, **given})

    def _command(self, verb: str) -> Command:
        self._version += verb == "update_config"
        return registry[verb](**({"version": self._version} if verb == "update_config" else {}))

    def _write(self, what: str, request: CommandRequest, id: str = "") -> None:
        line = {
            "what": what,
            "id": id or str(request.id),
            "client": str(request.client_id),
            "command": request.command.name,
            "key": request.dedupe_key,
        }
        os.write(self._record, (json.dumps(line) + "\n").encode())


def _other(request: CommandRequest) -> Command:
    return registry["ping" if request.command.name != "ping" else "request_status"]()


def _work(commander: Commander, pause: float, until: float, stop: threading.Event) -> None:
    while time.monotonic() < until and not stop.is_set():
        close_old_connections()
        try:
            commander.act()
        except (DatabaseError, OrchestratorError, TimeoutError) as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        stop.wait(random.uniform(0, 2 * pause))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--clients", type=Path, required=True, help="file with a UUID a line")
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="for ever, unless this says otherwise"
    )
    parser.add_argument("--rate", type=float, default=20.0, help="acts a second, all threads together")
    options = parser.parse_args()
    clients = [UUID(line) for line in options.clients.read_text().split()]
    record = os.open(options.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    until, stop = time.monotonic() + options.seconds, threading.Event()
    threads = [
        threading.Thread(
            target=_work,
            args=(
                Commander(f"{options.seed}/{number}", clients, record),
                THREADS / options.rate,
                until,
                stop,
            ),
        )
        for number in range(THREADS)
    ]
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print("commanding", flush=True)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dispatcher().close()


if __name__ == "__main__":
    main()
