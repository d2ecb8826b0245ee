from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from crypto.commands import registry
from crypto.exceptions import InvalidParameters
from crypto.models import Schedule, Source
from crypto.services import schedules
from crypto.services.permissions import permission

RUNS = 10


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    command = forms.CharField(
        widget=UnfoldAdminSelectWidget(choices=[(name, registry[name].label) for name in sorted(registry)])
    )

    class Meta:
        model = Schedule
        fields = "__all__"

    def _post_clean(self) -> None:
        """The one check names what is wrong, here as in REST and on the command line."""
        super()._post_clean()  # type: ignore[misc]  # ModelForm's, by its documentation
        if not self.errors:
            try:
                schedules.check(self.instance)
            except InvalidParameters as wrong:
                self.add_error(None, ValidationError({**wrong.errors}))


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin):
    form = ScheduleForm
    list_display = ("name", "command", "when", "enabled", "next_run", "last_run", "state")
    list_filter = ("enabled", "command")
    search_fields = ("name",)
    readonly_fields = ("state", "coming", "last_runs")
    actions_submit_line = ("run_now",)
    fieldsets = (
        (None, {"fields": ("name", "command", "params", "selector", "enabled", "state")}),
        ("When", {"fields": ("cron", "interval", "time_zone", "jitter", "start", "end")}),
        ("Window and policies", {"fields": ("window_start", "window_end", "missed", "overlap")}),
        ("Runs", {"fields": ("coming", "last_runs")}),
    )

    @display(description="when")
    def when(self, schedule: Schedule) -> str:
        return schedule.cron or f"every {schedule.interval} s"

    @display(description="state")
    def state(self, schedule: Schedule) -> str:
        wrong = schedules.problem(schedule)
        return f"broken: {wrong}" if wrong else "enabled" if schedule.enabled else "disabled"

    @display(description="next five")
    def coming(self, schedule: Schedule) -> SafeString:
        return format_html_join(
            "", "<div>{:%Y-%m-%d %H:%M:%S} UTC</div>", ((r,) for r in schedules.next_runs(schedule))
        )

    @display(description="last runs")
    def last_runs(self, schedule: Schedule) -> SafeString:
        return format_html_join(
            "", "<div>{:%Y-%m-%d %H:%M:%S} {} {}</div>", map(_run, schedule.runs.all()[:RUNS])
        )

    @action(description="Save and run now", permissions=["change"])
    def run_now(self, request: HttpRequest, obj: Schedule) -> None:
        try:
            operation = schedules.run_now(obj, source=Source.ADMIN, principal=request.user.get_username())
        except InvalidParameters as wrong:
            messages.error(request, str(wrong))
        else:
            link = reverse("admin:crypto_operation_change", args=[operation.pk])
            messages.success(
                request, format_html('Started operation <a href="{}">{}</a>.', link, operation.pk)
            )

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        """Whoever changes a schedule has to be allowed to send what it sends, before and after."""
        _must_send(request, obj.command)
        if change:
            _must_send(request, Schedule.objects.get(pk=obj.pk).command)
        super().save_model(request, obj, form, change)


def _must_send(request: HttpRequest, name: str) -> None:
    if name in registry and not request.user.has_perm(permission(registry[name])):
        raise PermissionDenied(f"You may not send {name}.")


def _run(run: Any) -> tuple[Any, ...]:
    if run.operation_id is None:
        return run.at, run.get_outcome_display(), run.note
    link = reverse("admin:crypto_operation_change", args=[run.operation_id])
    return run.at, run.get_outcome_display(), format_html('<a href="{}">{}</a>', link, run.operation_id)
