"""Targets: the clients that a selector selects now, and whether a preview showed the same ones."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from crypto.commands import Command
from crypto.exceptions import SnapshotChanged
from crypto.models import Client, ClientStatus, Snapshot, clock
from crypto.services.ledger.admission import Target
from crypto.services.ledger.sql.statements import fetch
from crypto.services.operations.selectors import compile_selector

SAMPLE = 10
"""Targets that a preview shows."""
REMEMBERED = timedelta(days=1)
"""How long a preview's targets are kept for the comparison."""


class Candidate(NamedTuple):
    """A client that a selector selects."""

    id: UUID
    name: str
    identity_epoch: str
    status: str
    connected: bool
    supported: bool
    """The client declared the command, or the command needs no declaration."""
    paused_by: int | None
    """The standing order that keeps it paused."""
    resume_owed: bool

    def target(self, paused_by: int | None) -> Target:
        """What admission needs to know; `paused_by` is the standing order after the command has been issued."""
        return Target(self.connected, self.supported, paused_by, self.identity_epoch)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a start would do. A client may be in several of the counts."""

    targets: int
    offline: int
    unsupported: int
    paused: int
    snapshot: str
    sample: list[Candidate]


def find(command: type[Command], selector: object, now: datetime) -> list[Candidate]:
    """The clients that the selector selects, ordered by id. Raises InvalidParameters."""
    capability = command.capability()
    columns = [
        "id",
        "name",
        "identity_epoch",
        "status",
        "node__lease_until",
        "paused_by_id",
        "resume_owed",
        *(["capabilities"] if capability else []),
    ]
    clients = Client.objects.filter(compile_selector(selector)).order_by("id").values_list(*columns)

    def candidate(
        id: UUID,
        name: str,
        epoch: str,
        status: str,
        lease: datetime | None,
        paused_by: int | None,
        resume_owed: bool,
        declared: Collection[str] = (),
    ) -> Candidate:
        connected, supported = lease is not None and lease > now, not capability or capability in declared
        return Candidate(id, name, epoch, status, connected, supported, paused_by, resume_owed)

    return fetch(clients, candidate)


def preview(command: type[Command], selector: object) -> Preview:
    """Count the targets of a start, and store their snapshot for a day. Raises InvalidParameters."""
    now = clock.now()
    targets = find(command, selector, now)
    return Preview(
        targets=len(targets),
        offline=sum(not target.connected for target in targets),
        unsupported=sum(not target.supported for target in targets),
        paused=sum(target.status == ClientStatus.PAUSED for target in targets),
        snapshot=_remember([target.id for target in targets], now),
        sample=targets[:SAMPLE],
    )


def snapshot(ids: Iterable[UUID]) -> str:
    """The hash of these ids, which must be sorted."""
    return sha256(b"".join(id.bytes for id in ids)).hexdigest()


def check_snapshot(expected: str, targets: list[Candidate]) -> None:
    """Raises SnapshotChanged if `expected` is not the snapshot of `targets`."""
    ids = [target.id for target in targets]
    if snapshot(ids) == expected:
        return
    remembered: Any = Snapshot.objects.filter(pk=expected).values_list("members", flat=True).first()
    if remembered is None:
        raise SnapshotChanged(None, None)
    members = bytes(remembered)
    then = {UUID(bytes=members[at : at + 16]) for at in range(0, len(members), 16)}
    raise SnapshotChanged(sorted(set(ids) - then), sorted(then - set(ids)))


def _remember(ids: list[UUID], now: datetime) -> str:
    found = Snapshot(hash=snapshot(ids), members=b"".join(id.bytes for id in ids), created_at=now)
    Snapshot.objects.filter(created_at__lt=now - REMEMBERED).delete()
    Snapshot.objects.bulk_create(
        [found], update_conflicts=True, unique_fields=["hash"], update_fields=["created_at"]
    )
    return found.hash
