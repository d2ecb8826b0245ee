"""Carrying out standing orders: clients are told again what they missed, and those that contradict are flagged."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from crypto.commands.pause import Pause
from crypto.commands.resume import Resume
from crypto.models import Client, ClientStatus, CommandLog, StandingOrder, State, clock
from crypto.models.client import ClientQuerySet
from crypto.services.desired import holds
from crypto.services.desired.issue_to import issue_to
from crypto.signals import client_diverged

AGAIN = timedelta(seconds=30)
"""A pause that came to nothing is sent again after so long."""
CONTRADICTION = timedelta(seconds=5)
"""So long a client may report what it has just been told to leave, or has not yet acked, before that counts."""


def on_ready(ids: list[UUID]) -> None:
    """For clients that have just connected: pause who is to be paused, resume who missed it."""
    clients = Client.objects.filter(pk__among=ids)
    for order, held in _by_order(clients.filter(paused_by__isnull=False)):
        _tell(held, order)
    owed = list(clients.filter(resume_owed=True, paused_by=None).values_list("pk", flat=True))
    if owed:
        issue_to(owed, Resume(message="the standing order was lifted"), "standing orders")


def reconcile(now: datetime | None = None) -> None:
    """A tick: put clients under the orders in force, and pause who has not been paused."""
    now = now or clock.now()
    holds.apply(None)
    told = CommandLog.objects.filter(client=OuterRef("pk"), command=Pause.name).filter(
        Q(created_at__gte=now - AGAIN)
        | Q(state__in=[State.QUEUED, State.SENT])
        | Q(state__in=[State.SUCCEEDED, State.REJECTED], created_at__gte=OuterRef("connected_at"))
    )
    awake = Client.objects.connected(now).filter(paused_by__isnull=False).exclude(status=ClientStatus.PAUSED)
    for order, held in _by_order(awake.exclude(Exists(told))):
        _tell(held, order)


def detect_divergence(now: datetime | None = None) -> int:
    """A tick: flag clients that report ACTIVE after they acked to be paused, and take the flag from those that don't.

    Returns how many were flagged.
    """
    now = now or clock.now()
    contradicting = Q(
        expected_status=ClientStatus.PAUSED, status=ClientStatus.ACTIVE, status_at__gt=F("expected_at")
    )
    with transaction.atomic():
        fresh = Client.objects.filter(contradicting, diverged_at=None, expected_at__lte=now - CONTRADICTION)
        # A resume that is under way explains it.
        resumed = CommandLog.objects.open().filter(client=OuterRef("pk"), command=Resume.name)
        fresh = fresh.exclude(Exists(resumed)).order_by("pk").select_for_update(no_key=True)
        ids = list(fresh.values_list("pk", flat=True))
        if ids:
            Client.objects.filter(pk__among=ids).update(diverged_at=now)
            transaction.on_commit(lambda: client_diverged.send_robust(sender=Client, client_ids=ids))
    with transaction.atomic():
        settled = Client.objects.filter(diverged_at__isnull=False).exclude(contradicting)
        settled_ids = list(settled.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
        if settled_ids:
            Client.objects.filter(pk__among=settled_ids).update(diverged_at=None)
    return len(ids)


def _by_order(clients: ClientQuerySet) -> Iterator[tuple[StandingOrder, list[UUID]]]:
    groups: dict[int, list[UUID]] = defaultdict(list)
    for pk, order in clients.order_by("pk").values_list("pk", "paused_by_id"):
        groups[order].append(pk)
    for found in StandingOrder.objects.filter(pk__in=groups, lifted_at=None):
        yield found, groups[found.pk]


def _tell(ids: list[UUID], order: StandingOrder) -> None:
    issue_to(ids, Pause(reason=order.reason or str(order)), str(order))
