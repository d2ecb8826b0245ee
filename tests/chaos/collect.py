"""Reads what a run has left behind: on disk, and through the observer."""

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from crypto.wire.common_pb2 import CommandAck
from tests.chaos.evidence import Effect, Entry, Evidence, Issued, Row
from tests.chaos.world import World

FINISHED = 1
"""State of a journal's entry whose ack is known."""


def collect(world: World, presenting: frozenset[str], quiet: bool) -> Evidence:
    """The agents must have ended: their journals are theirs alone while they run."""
    has, will = read_record(world.directory / "record")
    commands: dict[str, bool] = world.observer.ask("commands")
    return Evidence(
        rows=tuple(Row.read(row) for row in world.observer.ask("rows")),
        totals=world.observer.ask("totals"),
        issued=tuple(has),
        uncertain=frozenset(will) - {issued.id for issued in has},
        effects=tuple(effect for fleet in world.fleets for effect in _effects(world.directory, fleet.name)),
        entries=tuple(entry for fleet in world.fleets for entry in _entries(world.directory / fleet.name)),
        presenting=presenting,
        idempotent=frozenset(name for name, idempotent in commands.items() if idempotent),
        now=time.time(),
        quiet=quiet,
    )


def read_record(path: Path) -> tuple[list[Issued], list[str]]:
    """What the commander was told is on record, and every id it has tried."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    has = [
        Issued(line["id"], line["client"], line["command"], line["key"])
        for line in lines
        if line["what"] == "has"
    ]
    return has, [line["id"] for line in lines if line["what"] == "will"]


def _effects(directory: Path, fleet: str) -> Iterator[Effect]:
    for path in sorted(directory.glob(f"{fleet}.effects.*")):
        for line in path.read_text().splitlines():
            client, command, verb = line.split()
            yield Effect(client, command, verb, life=int(path.suffix[1:]))


def _entries(directory: Path) -> Iterator[Entry]:
    for path in directory.glob("*.sqlite3"):
        with sqlite3.connect(path) as db:
            found = db.execute("SELECT client, command, ack, settled FROM entry WHERE state = ?", (FINISHED,))
            for client, command, ack, settled in found:
                yield Entry(client, command, CommandAck.FromString(ack).success, bool(settled))
