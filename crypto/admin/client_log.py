from django.contrib import admin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from crypto.admin.reading import Reading
from crypto.models import ClientLog


@admin.register(ClientLog)
class ClientLogAdmin(Reading):
    list_display = ("__str__", "level", "client", "reported_at", "received_at")
    list_filter = ("level", ("client", AutocompleteSelectFilter), ("received_at", RangeDateTimeFilter))
    search_fields = ("message", "=client__id", "client__name")
    list_select_related = ("client",)
