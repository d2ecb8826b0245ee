"""Standing orders: who is to stay paused. Each client's record names the order that concerns it, so that nobody who
claims, inserts or starts commands has to ask for orders."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q

from crypto.commands import Command
from crypto.exceptions import InvalidParameters
from crypto.models import Client, ClientStatus, CommandLog, Source, StandingOrder, clock
from crypto.services.ledger.queue import enqueue
from crypto.services.ledger.sql.rows import lock_clients
from crypto.services.operations.selectors import compile_selector

STAYS = "a standing order keeps the client paused"
FIXED = frozenset({"all", "ids", "type", "version", "labels", "and", "or", "not"})
"""Terms of a selector by which a client is not in today and out tomorrow of its own."""
BATCH = 5_000


def create(selector: object, *, source: Source, principal: str = "", reason: str = "") -> StandingOrder:
    """Put an order in force, in the caller's transaction; it does not send anything. Raises InvalidParameters."""
    check(selector)
    with transaction.atomic():
        order = StandingOrder.objects.create(
            selector=selector, source=source, principal=principal[:200], reason=reason
        )
        _replace(order)
        _concern(order)
        # Clients that were joining meanwhile did not see the order, nor did it see them.
        transaction.on_commit(lambda: apply(None))
    return order


def check(selector: object) -> None:
    """Raises InvalidParameters where it is no selector, or one by what changes all the time."""
    compile_selector(selector)
    if changing := sorted(_terms(selector) - FIXED):
        raise InvalidParameters(
            {f"selector.{changing[0]}": [f"A standing order can select by {', '.join(sorted(FIXED))} only."]}
        )


def revoke(orders: Iterable[int] | None = None, *, principal: str = "") -> list[UUID]:
    """Lift these orders, or all; returns the connected clients that are to be resumed. In the caller's transaction."""
    now = clock.now()
    with transaction.atomic():
        lifted = StandingOrder.objects.filter(lifted_at=None)
        if orders is not None:
            lifted = lifted.filter(pk__in=list(orders))
        pks = list(lifted.order_by("pk").select_for_update().values_list("pk", flat=True))
        if not pks:
            return []
        StandingOrder.objects.filter(pk__in=pks).update(lifted_at=now, lifted_by=principal[:200])
        freed = _ids(Q(paused_by__in=pks))
        _set(freed, paused_by=None)
        apply(None)
        present, absent = _free(freed, now)
        _set(absent, resume_owed=True)
        _ring_for(freed)
    return present


def apply(ids: list[UUID] | None) -> None:
    """Let the orders in force concern whom they select: of these clients, or of all."""
    orders = list(StandingOrder.objects.filter(lifted_at=None).order_by("pk"))
    with transaction.atomic():
        for order in orders:
            _concern(order, ids)
        among = Q() if ids is None else Q(pk__among=ids)
        for order in orders:
            # One whose labels have changed is not concerned any more.
            stays = Client.objects.filter(compile_selector(order.selector)).values("pk")
            _set(_ids(among & Q(paused_by=order) & ~Q(pk__in=stays)), paused_by=None)


def override(command: Command, ids: Iterable[UUID]) -> None:
    """The later word counts: a client that is resumed by name is no longer concerned by the orders given so far.

    Call it with clients that are concerned, or owed a resume.
    """
    if command.leaves == ClientStatus.ACTIVE:
        last = StandingOrder.objects.aggregate(last=Max("pk"))["last"] or 0
        _set(list(ids), paused_by=None, resumed_past=last, resume_owed=False)
    elif command.leaves == ClientStatus.PAUSED:
        _set(list(ids), resume_owed=False)


def holds_back(command: Command | type[Command], paused_by: int | None) -> bool:
    """Whether the command is not to go to a client that this order, or none, concerns."""
    return paused_by is not None and not command.while_paused


def _concern(order: StandingOrder, ids: list[UUID] | None = None) -> None:
    who = compile_selector(order.selector) & Q(paused_by=None, resumed_past__lt=order.pk)
    _set(_ids(who if ids is None else who & Q(pk__among=ids)), paused_by=order.pk, resume_owed=False)


def _replace(order: StandingOrder) -> None:
    """The same order given again takes the place of the one before."""
    before = StandingOrder.objects.filter(lifted_at=None, pk__lt=order.pk).select_for_update()
    same = [other.pk for other in before if other.selector == order.selector]
    if same:
        StandingOrder.objects.filter(pk__in=same).update(
            lifted_at=order.created_at, lifted_by=order.principal
        )
        _set(_ids(Q(paused_by__in=same)), paused_by=order.pk)


def _free(ids: list[UUID], now: datetime) -> tuple[list[UUID], list[UUID]]:
    """Those of the clients that no order concerns: the connected ones, and the others."""
    present: list[UUID] = []
    absent: list[UUID] = []
    for at in range(0, len(ids), BATCH):
        found = Client.objects.filter(pk__among=ids[at : at + BATCH], paused_by=None).order_by("pk")
        for pk, lease in found.values_list("pk", "node__lease_until"):
            (present if lease is not None and lease > now else absent).append(pk)
    return present, absent


def _ids(who: Q) -> list[UUID]:
    return list(Client.objects.filter(who).order_by("pk").values_list("pk", flat=True))


def _set(ids: list[UUID], **changes: object) -> None:
    if "paused_by" in changes:
        changes["paused_by_id"] = changes.pop("paused_by")
    for at in range(0, len(ids), BATCH):
        batch = list(lock_clients(ids[at : at + BATCH]).values_list("pk", flat=True))
        Client.objects.filter(pk__among=batch).update(**changes)


def _ring_for(ids: list[UUID]) -> None:
    """What waited for the orders to be lifted need not wait for the next look at it."""
    for at in range(0, len(ids), BATCH):
        rows = list(CommandLog.objects.waiting(ids[at : at + BATCH]).values_list("lane", "pk"))
        transaction.on_commit(lambda rows=rows: enqueue(rows))  # type: ignore[misc]


def _terms(selector: object) -> set[str]:
    if not isinstance(selector, dict):
        return set()
    found = set(selector)
    for key in ("and", "or"):
        for branch in selector.get(key, ()):
            found |= _terms(branch)
    return found | _terms(selector.get("not"))
