"""Standing orders: clients that are to stay paused, also those that connect or register later."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from crypto.commands.pause import Pause
from crypto.commands.resume import Resume
from crypto.exceptions import InvalidParameters
from crypto.models import ClientStatus, Operation, Source, StandingOrder, clock
from crypto.services.desired import assignment
from crypto.services.operations.selectors import EVERYBODY, MAX_IDS, compile_selector
from crypto.services.operations.start import OperationRequest, insert, once
from crypto.services.operations.start import start as start_operation

FIXED = frozenset({"all", "ids", "type", "version", "labels", "and", "or", "not"})
"""Terms of a selector that a standing order may use: those whose result does not change by itself."""


def start(request: OperationRequest) -> Operation:
    """Start an operation. A pause of all clients also creates a standing order, a resume of all lifts all orders.

    In the caller's transaction. Raises what `operations.start.start` raises.
    """

    def make() -> Operation:
        if request.selector == EVERYBODY and request.command.leaves == ClientStatus.PAUSED:
            return _pause(request)[1]
        if request.selector == EVERYBODY and request.command.leaves == ClientStatus.ACTIVE:
            _revoke(None, request.principal)
        return insert(request)

    return once(request, make)


def create(
    selector: object, *, source: Source, principal: str, reason: str
) -> tuple[StandingOrder, Operation]:
    """Create an order and start the operation that pauses the clients it selects. Raises InvalidParameters."""
    check(selector)
    request = OperationRequest(
        command=Pause(reason=reason), selector=selector, source=source, principal=principal, reason=reason
    )
    with transaction.atomic():
        return _pause(request)


def revoke(order: StandingOrder, *, source: Source, principal: str) -> list[Operation]:
    """Lift the order and resume its clients that are under no other; those not connected are resumed on connect."""
    with transaction.atomic():
        free = _revoke([order.pk], principal)
        reason = f"{order} was lifted"
        return [
            start_operation(
                OperationRequest(
                    command=Resume(message=reason),
                    selector={"ids": [str(pk) for pk in free[at : at + MAX_IDS]]},
                    source=source,
                    principal=principal,
                    reason=reason,
                )
            )
            for at in range(0, len(free), MAX_IDS)
        ]


def check(selector: object) -> None:
    """Raises InvalidParameters if it is no selector or uses a term that is not in `FIXED`."""
    compile_selector(selector)
    if changing := sorted(_terms(selector) - FIXED):
        raise InvalidParameters(
            {f"selector.{changing[0]}": [f"A standing order can select by {', '.join(sorted(FIXED))} only."]}
        )


def _pause(request: OperationRequest) -> tuple[StandingOrder, Operation]:
    order = StandingOrder.objects.create(
        selector=request.selector,
        source=request.source,
        principal=request.principal[:200],
        reason=request.reason,
    )
    _replace(order)
    assignment.apply_one(order)
    # A client that registered at the same time did not see the order, and the order did not see the client.
    transaction.on_commit(lambda: assignment.apply(None))
    return order, insert(request)


def _replace(order: StandingOrder) -> None:
    """Lift earlier orders with the same selector; the new order takes over their clients."""
    before = StandingOrder.objects.filter(lifted_at=None, pk__lt=order.pk).select_for_update()
    same = [other.pk for other in before if other.selector == order.selector]
    if same:
        StandingOrder.objects.filter(pk__in=same).update(
            lifted_at=order.created_at, lifted_by=order.principal
        )
        assignment.hand_over(same, order)


def _revoke(orders: Iterable[int] | None, principal: str) -> list[UUID]:
    """Lift these orders (None: all); returns the connected clients that are to be resumed."""
    now = clock.now()
    lifted = StandingOrder.objects.filter(lifted_at=None)
    if orders is not None:
        lifted = lifted.filter(pk__in=list(orders))
    pks = list(lifted.order_by("pk").select_for_update().values_list("pk", flat=True))
    if not pks:
        return []
    StandingOrder.objects.filter(pk__in=pks).update(lifted_at=now, lifted_by=principal[:200])
    return assignment.free(pks, now)


def _terms(selector: object) -> set[str]:
    if not isinstance(selector, dict):
        return set()
    found = set(selector)
    for key in ("and", "or"):
        for branch in selector.get(key, ()):
            found |= _terms(branch)
    return found | _terms(selector.get("not"))
