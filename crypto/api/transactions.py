import django_filters
from rest_framework import serializers
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.filters import Filters, MomentFilter
from crypto.models import Transaction, TransactionType


class TransactionSerializer(serializers.ModelSerializer[Transaction]):
    class Meta:
        model = Transaction
        fields = (
            "id",
            "client",
            "transaction_id",
            "type",
            "symbol",
            "amount",
            "status",
            "details",
            "reported_at",
        )


class TransactionFilters(Filters):
    client = django_filters.UUIDFilter(field_name="client_id")
    transaction_id = django_filters.CharFilter()
    type = django_filters.MultipleChoiceFilter(choices=TransactionType.choices)
    symbol = django_filters.CharFilter()
    status = django_filters.CharFilter()
    reported_after = MomentFilter(field_name="reported_at", lookup_expr="gte")
    reported_before = MomentFilter(field_name="reported_at", lookup_expr="lt")


class TransactionViewSet(ReadOnlyModelViewSet[Transaction]):
    """The movements that clients reported, newest report first."""

    queryset = Transaction.objects.order_by("-reported_at", "-id")
    serializer_class = TransactionSerializer
    filterset_class = TransactionFilters
