from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from crypto.commands.update_config import UpdateConfig
from crypto.exceptions import InvalidParameters
from crypto.models import Configuration
from crypto.services.desired import configurations
from crypto.services.desired.drift import DriftStatus, members
from crypto.services.permissions import permission

SHOWN = 50


class ConfigurationForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    class Meta:
        model = Configuration
        fields = "__all__"

    def _post_clean(self) -> None:
        """The one check names what is wrong, here as in REST and on the command line."""
        super()._post_clean()  # type: ignore[misc]  # ModelForm's, by its documentation
        if not self.errors.keys() - {NON_FIELD_ERRORS}:
            self.errors.clear()  # of its constraints, which name no field
            try:
                configurations.check(self.instance)
            except InvalidParameters as wrong:
                self.add_error(None, ValidationError({**wrong.errors}))


@admin.register(Configuration)
class ConfigurationAdmin(ModelAdmin):
    form = ConfigurationForm
    list_display = ("__str__", "version", "changed_at", "principal")
    list_select_related = ("client",)
    search_fields = ("label", "client__name", "=client__id")
    autocomplete_fields = ("client",)
    readonly_fields = ("version", "changed_at", "principal", "clients", "out_of_step")
    fieldsets = (
        (None, {"fields": ("client", "label", "document")}),
        ("Version", {"fields": ("version", "changed_at", "principal")}),
        ("Clients", {"fields": ("clients", "out_of_step")}),
    )

    @display(description="clients")
    def clients(self, configuration: Configuration) -> str:
        counts = Counter(member.standing.value for member in members(configuration))
        return ", ".join(f"{count} {standing}" for standing, count in sorted(counts.items())) or "none"

    @display(description="not in step")
    def out_of_step(self, configuration: Configuration) -> SafeString:
        others = [m for m in members(configuration) if m.standing is not DriftStatus.IN_STEP][:SHOWN]
        lines = ((m.name or m.client_id, m.running, m.standing.value, m.reason) for m in others)
        return format_html_join("", "<div>{}: runs version {}, {} {}</div>", lines)

    def save_model(self, request: HttpRequest, obj: Configuration, form: Any, change: bool) -> None:
        if not request.user.has_perm(permission(UpdateConfig)):
            raise PermissionDenied("You may not send update_config.")
        obj.principal = request.user.get_username()
        super().save_model(request, obj, form, change)
