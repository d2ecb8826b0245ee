import django_filters
from rest_framework import serializers
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.filters import Filters, MomentFilter
from crypto.models import Wallet


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
