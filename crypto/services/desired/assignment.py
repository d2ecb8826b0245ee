"""Assigning clients to standing orders: a client's record names the order that keeps it paused.

So issuing and claiming need not look at orders.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from crypto.models import Client, CommandLog, StandingOrder
from crypto.services.ledger.override import BATCH, update_clients
from crypto.services.ledger.queue import enqueue
from crypto.services.operations.selectors import compile_selector


def apply(ids: list[UUID] | None) -> None:
    """Assign clients to the orders in force that select them, and free those that their order does not select any more.

    For these clients, or for all. Safe to repeat and to call concurrently.
    """
    orders = list(StandingOrder.objects.filter(lifted_at=None).order_by("pk"))
    with transaction.atomic():
        for order in orders:
            apply_one(order, ids)
        among = Q() if ids is None else Q(pk__among=ids)
        for order in orders:
            # A client whose labels have changed may not be selected any more.
            stays = Client.objects.filter(compile_selector(order.selector)).values("pk")
            update_clients(_ids(among & Q(paused_by=order) & ~Q(pk__in=stays)), paused_by_id=None)


def apply_one(order: StandingOrder, ids: list[UUID] | None = None) -> None:
    """Assign to this order the clients that it selects, unless another order has them or they were resumed since."""
    who = compile_selector(order.selector) & Q(paused_by=None, resumed_past__lt=order.pk)
    selected = _ids(who if ids is None else who & Q(pk__among=ids))
    update_clients(selected, paused_by_id=order.pk, resume_owed=False)


def hand_over(before: Iterable[int], order: StandingOrder) -> None:
    """Move the clients of the earlier orders to this order."""
    update_clients(_ids(Q(paused_by__in=list(before))), paused_by_id=order.pk)


def free(orders: Iterable[int], now: datetime) -> list[UUID]:
    """Free the clients of these orders, which were lifted; returns those that are connected and under no other order.

    Those that are not connected are marked to be resumed when they connect. Commands that waited are enqueued.
    """
    freed = _ids(Q(paused_by__in=list(orders)))
    update_clients(freed, paused_by_id=None)
    apply(None)
    present, absent = _by_presence(freed, now)
    update_clients(absent, resume_owed=True)
    for at in range(0, len(freed), BATCH):
        rows = list(CommandLog.objects.waiting(freed[at : at + BATCH]).values_list("lane", "pk"))
        transaction.on_commit(lambda rows=rows: enqueue(rows))  # type: ignore[misc]
    return present


def _by_presence(ids: list[UUID], now: datetime) -> tuple[list[UUID], list[UUID]]:
    """Those of the clients that are under no order: the connected ones, and the others."""
    present: list[UUID] = []
    absent: list[UUID] = []
    for at in range(0, len(ids), BATCH):
        found = Client.objects.filter(pk__among=ids[at : at + BATCH], paused_by=None).order_by("pk")
        for pk, lease in found.values_list("pk", "node__lease_until"):
            (present if lease is not None and lease > now else absent).append(pk)
    return present, absent


def _ids(who: Q) -> list[UUID]:
    return list(Client.objects.filter(who).order_by("pk").values_list("pk", flat=True))
