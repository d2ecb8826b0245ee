import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.common.fields import ObjectField
from crypto.api.common.filters import Filters, FlagFilter
from crypto.api.common.permissions import may_send
from crypto.api.common.request_body import body_fields, no_fields, object_body
from crypto.api.common.schema import Error
from crypto.api.operations.requests import REASON
from crypto.commands.parameters import Parameter, Unchecked, json_schema
from crypto.commands.pause import Pause
from crypto.commands.resume import Resume
from crypto.models import Source, StandingOrder
from crypto.services.desired import standing_orders

BODY: dict[str, Parameter] = {
    "selector": Unchecked("Which clients: by all, ids, type, version or labels.", {"type": "object"}),
    "reason": REASON,
}
FORBIDDEN = {403: OpenApiResponse(Error, "You may not send the command.")}


class StandingOrderSerializer(serializers.ModelSerializer[StandingOrder]):
    selector = ObjectField(help_text="Which clients; also those that join later.")
    clients = serializers.SerializerMethodField(help_text="How many clients it keeps paused.")

    class Meta:
        model = StandingOrder
        fields = (
            "id",
            "selector",
            "reason",
            "source",
            "principal",
            "clients",
            "created_at",
            "lifted_at",
            "lifted_by",
        )

    @extend_schema_field(serializers.IntegerField())
    def get_clients(self, order: StandingOrder) -> int:
        return order.clients.count()


class StandingOrderFilters(Filters):
    lifted = FlagFilter(field_name="lifted_at", lookup_expr="isnull", exclude=True)
    principal = django_filters.CharFilter()


class StandingOrderViewSet(ReadOnlyModelViewSet[StandingOrder]):
    """What selections of clients are to be from now on: paused. Newest first. `pause_all` gives one over everybody,
    `resume_all` lifts all."""

    queryset = StandingOrder.objects.order_by("-id")
    serializer_class = StandingOrderSerializer
    filterset_class = StandingOrderFilters

    @extend_schema(
        operation_id="standing_order_give",
        request={"application/json": json_schema(BODY, "selector")},
        responses={201: StandingOrderSerializer, **FORBIDDEN},
    )
    def create(self, request: Request) -> Response:
        """Put an order in force: pause who is there, and whoever of them comes later."""
        may_send(request, Pause.name)
        values = body_fields(request, BODY, "selector")
        order, _ = standing_orders.create(
            values["selector"],
            source=Source.REST,
            principal=request.user.get_username(),
            reason=values.get("reason", ""),
        )
        return Response(self.get_serializer(order).data, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="standing_order_lift",
        request=None,
        responses={200: StandingOrderSerializer, **FORBIDDEN},
    )
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, pk: str) -> Response:
        """Lift the order and resume whom no other order concerns."""
        order = self.get_object()
        may_send(request, Resume.name)
        no_fields(object_body(request))
        standing_orders.revoke(order, source=Source.REST, principal=request.user.get_username())
        order.refresh_from_db()
        return Response(self.get_serializer(order).data)
