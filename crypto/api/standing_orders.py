import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.bodies import object_body, only
from crypto.api.errors import BadRequest
from crypto.api.filters import Filters, FlagFilter
from crypto.api.operation_answers import ObjectField
from crypto.api.operation_calls import may_send, text
from crypto.api.schema import Error
from crypto.commands.pause import Pause
from crypto.commands.resume import Resume
from crypto.models import Source, StandingOrder
from crypto.services.desired import standing_orders
from crypto.services.operations.start import MAX_REASON

BODY = {
    "type": "object",
    "properties": {
        "selector": {"type": "object", "description": "Which clients: by all, ids, type, version or labels."},
        "reason": {"type": "string", "maxLength": MAX_REASON, "description": "Why, for the record."},
    },
    "required": ["selector"],
    "additionalProperties": False,
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
        request={"application/json": BODY},
        responses={201: StandingOrderSerializer, **FORBIDDEN},
    )
    def create(self, request: Request) -> Response:
        """Put an order in force: pause who is there, and whoever of them comes later."""
        may_send(request, Pause)
        values = object_body(request)
        only(values, {"selector", "reason"})
        if "selector" not in values:
            raise BadRequest({"selector": ["Is missing."]})
        order, _ = standing_orders.create(
            values["selector"],
            source=Source.REST,
            principal=request.user.get_username(),
            reason=text(values, "reason"),
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
        may_send(request, Resume)
        only(object_body(request), set())
        standing_orders.revoke(order, source=Source.REST, principal=request.user.get_username())
        order.refresh_from_db()
        return Response(self.get_serializer(order).data)
