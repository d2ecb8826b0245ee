from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from crypto.admin.bulk import BulkActions
from crypto.admin.labels import LabelsForm
from crypto.admin.reading import Reading
from crypto.models import Client, ClientStatus
from crypto.models.client import ClientQuerySet

COLOURS = {
    ClientStatus.ACTIVE: "success",
    ClientStatus.PAUSED: "warning",
    ClientStatus.ERROR: "danger",
    ClientStatus.STOPPED: "info",
    "DIVERGED": "danger",
}


class ConnectedFilter(admin.SimpleListFilter):
    title = "connected"
    parameter_name = "connected"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client] | None:
        assert isinstance(queryset, ClientQuerySet)
        match self.value():
            case "yes":
                return queryset.connected()
            case "no":
                return queryset.disconnected()
        return None


@admin.register(Client)
class ClientAdmin(BulkActions, Reading):
    form = LabelsForm
    list_display = ("named", "shown_status", "connected", "last_seen", "version", "type", "config_version")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ConnectedFilter,
        "type",
        "version",
        ("last_seen", RangeDateTimeFilter),
    )
    search_fields = ("name", "id")
    list_select_related = ("node",)
    fieldsets = (
        (
            None,
            {"fields": ("id", "name", "type", "version", "api_url", "capabilities", "labels", "created_at")},
        ),
        (
            "Status",
            {
                "fields": (
                    "shown_status",
                    "status_details",
                    "status_at",
                    "diverged_at",
                    "paused_by",
                    "config_version",
                    "last_seen",
                )
            },
        ),
        (
            "Connection",
            {
                "fields": (
                    "connected",
                    "node",
                    "session_epoch",
                    "connected_at",
                    "disconnected_at",
                    "identity_epoch",
                )
            },
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("crypto.change_client"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown: list[str] = flatten_fieldsets(self.get_fieldsets(request, obj))
        return [name for name in shown if name != "labels"]

    @display(description="client", ordering="name", header=True)
    def named(self, client: Client) -> tuple[str, str]:
        return str(client), str(client.pk)

    @display(description="status", ordering="status", label=COLOURS)
    def shown_status(self, client: Client) -> str:
        return "DIVERGED" if client.diverged_at else client.status

    @display(description="connected", boolean=True)
    def connected(self, client: Client) -> bool:
        return client.is_connected
