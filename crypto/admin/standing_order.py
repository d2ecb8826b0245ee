from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action

from crypto.admin.reading import Reading
from crypto.commands.resume import Resume
from crypto.models import Source, StandingOrder
from crypto.services.desired import standing_orders
from crypto.services.permissions import permission


@admin.register(StandingOrder)
class StandingOrderAdmin(Reading):
    """Given by pausing everybody, or by REST."""

    list_display = ("id", "selector", "reason", "principal", "created_at", "lifted_at", "lifted_by")
    list_filter = ("source",)
    search_fields = ("reason", "principal")
    actions = ("lift_selected",)

    @action(description="Lift selected orders and resume their clients", permissions=["resume"])
    def lift_selected(self, request: HttpRequest, orders: QuerySet[StandingOrder]) -> None:
        for order in orders.filter(lifted_at=None).order_by("pk"):
            standing_orders.revoke(order, source=Source.ADMIN, principal=request.user.get_username())
        messages.success(request, "Lifted; the clients are being resumed.")

    def has_resume_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(permission(Resume))
