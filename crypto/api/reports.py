"""What clients report: balances, movements, errors and log lines."""

import django_filters
from rest_framework import serializers
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.common.filters import Filters, MomentFilter
from crypto.models import ClientError, ClientLog, Transaction, TransactionType, Wallet


class WalletSerializer(serializers.ModelSerializer[Wallet]):
    class Meta:
        model = Wallet
        fields = ("id", "client", "wallet_id", "symbol", "available", "locked", "last_sync", "updated_at")


class WalletFilters(Filters):
    client = django_filters.UUIDFilter(field_name="client_id")
    wallet_id = django_filters.CharFilter()
    symbol = django_filters.CharFilter()
    synced_after = MomentFilter(field_name="last_sync", lookup_expr="gte")
    synced_before = MomentFilter(field_name="last_sync", lookup_expr="lt")


class WalletViewSet(ReadOnlyModelViewSet[Wallet]):
    """The balances that clients reported, by client, wallet and symbol. Amounts are decimals, as text."""

    queryset = Wallet.objects.order_by("client_id", "wallet_id", "symbol")
    serializer_class = WalletSerializer
    filterset_class = WalletFilters


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


REPORT = ("id", "client", "message_id", "message", "reported_at", "received_at")
"""Fields of what has a text and two clocks."""


class ClientErrorSerializer(serializers.ModelSerializer[ClientError]):
    class Meta:
        model = ClientError
        fields = (*REPORT, "severity", "traceback")


class ClientLogSerializer(serializers.ModelSerializer[ClientLog]):
    class Meta:
        model = ClientLog
        fields = (*REPORT, "level", "extra_data")


class ReportFilters(Filters):
    client = django_filters.UUIDFilter(field_name="client_id")
    search = django_filters.CharFilter(field_name="message", lookup_expr="icontains")
    received_after = MomentFilter(field_name="received_at", lookup_expr="gte")
    received_before = MomentFilter(field_name="received_at", lookup_expr="lt")


class ClientErrorFilters(ReportFilters):
    severity = django_filters.CharFilter()


class ClientLogFilters(ReportFilters):
    level = django_filters.CharFilter()


class ClientErrorViewSet(ReadOnlyModelViewSet[ClientError]):
    """The errors that clients reported, newest first."""

    queryset = ClientError.objects.all()
    serializer_class = ClientErrorSerializer
    filterset_class = ClientErrorFilters


class ClientLogViewSet(ReadOnlyModelViewSet[ClientLog]):
    """The log lines that clients reported, newest first."""

    queryset = ClientLog.objects.all()
    serializer_class = ClientLogSerializer
    filterset_class = ClientLogFilters
