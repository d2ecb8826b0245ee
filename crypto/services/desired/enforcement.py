"""Enforcing standing orders: sending clients what they missed, and flagging clients whose status contradicts."""

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
from crypto.services.desired import assignment
from crypto.services.desired.issue_to import issue_to
from crypto.signals import client_diverged

AGAIN = timedelta(seconds=30)
"""A pause without success is sent again after this long."""
CONTRADICTION = timedelta(seconds=5)
"""A client counts as diverged only this long after its ack: an older status report may still be on its way."""


def on_ready(ids: list[UUID]) -> None:
    """For clients that have just connected: pause those under a standing order, resume those that missed a resume."""
    clients = Client.objects.filter(pk__among=ids)
    for order, paused in _by_order(clients.filter(paused_by__isnull=False)):
        _send_pause(paused, order)
    owed = list(clients.filter(resume_owed=True, paused_by=None).values_list("pk", flat=True))
    if owed:
        issue_to(owed, Resume(message="the standing order was lifted"), "standing orders")


def reconcile(now: datetime | None = None) -> None:
    """A tick: assign clients to the orders in force, and pause those that are not paused. Safe to call concurrently."""
    now = now or clock.now()
    assignment.apply(None)
    recent = CommandLog.objects.filter(client=OuterRef("pk"), command=Pause.name).filter(
        Q(created_at__gte=now - AGAIN)
        | Q(state__in=[State.QUEUED, State.SENT])
        | Q(state__in=[State.SUCCEEDED, State.REJECTED], created_at__gte=OuterRef("connected_at"))
    )
    unpaused = (
        Client.objects.connected(now).filter(paused_by__isnull=False).exclude(status=ClientStatus.PAUSED)
    )
    for order, paused in _by_order(unpaused.exclude(Exists(recent))):
        _send_pause(paused, order)


def detect_divergence(now: datetime | None = None) -> int:
    """A tick: flag clients that acked a pause and report ACTIVE, and unflag those that no longer do.

    Returns how many were flagged. Safe to call concurrently.
    """
    now = now or clock.now()
    contradicting = Q(
        expected_status=ClientStatus.PAUSED, status=ClientStatus.ACTIVE, status_at__gt=F("expected_at")
    )
    with transaction.atomic():
        fresh = Client.objects.filter(contradicting, diverged_at=None, expected_at__lte=now - CONTRADICTION)
        # An open resume explains it.
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


def _send_pause(ids: list[UUID], order: StandingOrder) -> None:
    issue_to(ids, Pause(reason=order.reason or str(order)), str(order))
