"""Presence: which client is connected to which node, and what clients report about themselves."""

from collections import defaultdict
from dataclasses import dataclass
from operator import itemgetter
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from crypto.models import Client, CommandLog, clock
from crypto.services.desired import assignment
from crypto.services.ledger.queue import REQUEUE_AFTER, enqueue
from crypto.services.ledger.sql.rows import lock_clients
from crypto.services.ledger.sql.statements import insert
from crypto.services.versions import version_key
from crypto.signals import client_connected, client_disconnected, client_ready

REGISTERED = ["name", "type", "version", "api_url", "capabilities", "identity_epoch", "config_version"]
KNOWN = ", ".join(
    f"{column} = excluded.{column}"
    for column in (*REGISTERED, "version_key", "node_id", "connected_at", "last_seen")
)
"""SET clause for a client that has registered before."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A client's registration on a node."""

    client_id: UUID
    node_id: UUID
    name: str
    type: str
    version: str
    api_url: str
    capabilities: list[str]
    identity_epoch: str
    config_version: int


@dataclass(frozen=True, slots=True)
class Departure:
    """The end of a client's session."""

    client_id: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class Status:
    """A status that a client reports."""

    client_id: UUID
    status: str
    details: str


def arrive(arrivals: list[Arrival]) -> list[int]:
    """Store clients that connected; returns the epoch of each session, higher than any the client had before."""
    now = clock.now()
    ids = sorted(arrival.client_id for arrival in arrivals)
    clients = [
        Client(
            id=arrival.client_id,
            node_id=arrival.node_id,
            connected_at=now,
            last_seen=now,
            session_epoch=1,
            version_key=version_key(arrival.version),
            **{field: getattr(arrival, field) for field in REGISTERED},
        )
        for arrival in sorted({a.client_id: a for a in arrivals}.values(), key=lambda a: a.client_id)
    ]
    found = insert(
        clients,
        f"ON CONFLICT (id) DO UPDATE SET {KNOWN}, session_epoch = crypto_client.session_epoch + 1"
        " RETURNING id, session_epoch",
    )
    epochs = {id if isinstance(id, UUID) else UUID(id): epoch for id, epoch in found}
    assignment.apply(ids)
    transaction.on_commit(lambda: client_connected.send_robust(sender=Client, client_ids=ids))
    return [epochs[arrival.client_id] for arrival in arrivals]


def enqueue_waiting(client_ids: list[UUID]) -> list[None]:
    """Enqueue the rows that wait for these clients; call it when the clients can take commands.

    A client gets its commands in the order in which they were issued, so all of them go to the lane of the first.
    Rows whose retry was delayed because the client was not connected are tried now. If a message is lost, the sweeper
    enqueues its rows again.
    """
    waiting = CommandLog.objects.waiting(client_ids)
    locked = waiting.order_by("created_at", "id").select_for_update(of=("self",))
    lanes: dict[UUID, str] = {}
    rows = [
        (lanes.setdefault(client, lane), pk)
        for client, lane, pk in sorted(locked.values_list("client", "lane", "pk"), key=itemgetter(0))
    ]
    waiting.filter(seen=False).update(retry_at=None, due_at=clock.now() + REQUEUE_AFTER)
    transaction.on_commit(lambda: enqueue(rows))
    transaction.on_commit(lambda: client_ready.send_robust(sender=Client, client_ids=client_ids))
    return [None] * len(client_ids)


def depart(departures: list[Departure]) -> list[bool]:
    """Store clients that disconnected; a client that has a newer session stays connected."""
    epochs = {departure.client_id: departure.epoch for departure in departures}
    current = lock_clients(list(epochs))
    gone = [pk for pk, epoch in current.values_list("pk", "session_epoch") if epochs[pk] == epoch]
    Client.objects.filter(pk__among=gone).update(node=None, disconnected_at=clock.now())
    _signal_disconnected(gone)
    return [departure.client_id in gone for departure in departures]


def expire_dead_nodes() -> int:
    """A tick: mark the clients of dead nodes as disconnected; returns how many. Safe to call concurrently.

    They stay assigned to the node: if it was only stalled, they are connected again when it renews its lease.
    """
    now = clock.now()
    with transaction.atomic():
        there = Q(disconnected_at=None) | Q(disconnected_at__lt=F("connected_at"))
        lost = Client.objects.filter(there, node__lease_until__lte=now).order_by("pk")
        gone = list(lost.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
        Client.objects.filter(pk__among=gone).update(disconnected_at=now)
        _signal_disconnected(gone)
    return len(gone)


def _signal_disconnected(ids: list[UUID]) -> None:
    if ids:
        transaction.on_commit(lambda: client_disconnected.send_robust(sender=Client, client_ids=ids))


def touch(client_ids: list[UUID]) -> list[None]:
    """Store that something was received from these clients just now."""
    ids = list(lock_clients(client_ids).values_list("pk", flat=True))
    Client.objects.filter(pk__among=ids).update(last_seen=clock.now())
    return [None] * len(client_ids)


def update_status(reports: list[Status]) -> list[None]:
    """Store the status that clients report; the last report of each counts."""
    groups: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for report in {report.client_id: report for report in reports}.values():
        groups[report.status, report.details].append(report.client_id)
    now = clock.now()
    list(lock_clients([report.client_id for report in reports]).values_list("pk"))
    for (status, details), ids in groups.items():
        Client.objects.filter(pk__among=ids).update(
            status=status, status_details=details, status_at=now, last_seen=now
        )
    return [None] * len(reports)
