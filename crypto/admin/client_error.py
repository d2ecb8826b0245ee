from django.contrib import admin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from crypto.admin.reading import Reading
from crypto.models import ClientError


@admin.register(ClientError)
class ClientErrorAdmin(Reading):
    list_display = ("__str__", "severity", "client", "reported_at", "received_at")
    list_filter = ("severity", ("client", AutocompleteSelectFilter), ("received_at", RangeDateTimeFilter))
    search_fields = ("message", "=client__id", "client__name")
    list_select_related = ("client",)
