"""What clients told of themselves: errors and log lines."""

import django_filters
from rest_framework import serializers
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.filters import Filters, MomentFilter
from crypto.models import ClientError, ClientLog

REPORT = ("id", "client", "message_id", "message", "reported_at", "received_at")


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
