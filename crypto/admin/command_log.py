from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from crypto.admin.cancel import cancel_selected
from crypto.admin.reading import Reading
from crypto.commands import registry
from crypto.models import CommandLog, State
from crypto.services.fleet.explain import explain

COLOURS = {
    State.QUEUED: "info",
    State.SENT: "info",
    State.SUCCEEDED: "success",
    State.FAILED: "danger",
    State.REJECTED: "danger",
    State.NOT_CONNECTED: "warning",
    State.TIMED_OUT: "warning",
}


@admin.register(CommandLog)
class CommandLogAdmin(Reading):
    actions = (cancel_selected,)
    list_display = (
        "asked",
        "client",
        "shown_state",
        "reason",
        "source",
        "principal",
        "created_at",
        "finished_at",
    )
    list_filter = (
        ("state", ChoicesDropdownFilter),
        "command",
        ("source", ChoicesDropdownFilter),
        ("client", AutocompleteSelectFilter),
        ("created_at", RangeDateTimeFilter),
    )
    search_fields = ("=id", "=client__id", "client__name", "principal")
    list_select_related = ("client",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "id",
                    "client",
                    "asked",
                    "params",
                    "shown_state",
                    "reason",
                    "explanation",
                    "timeline",
                )
            },
        ),
        (
            "Answer",
            {"fields": ("ack_message", "ack_error", "ack_status", "ack_data", "ack_at", "acked_at", "late")},
        ),
        (
            "Delivery",
            {
                "fields": (
                    "attempt",
                    "max_attempts",
                    "timeout",
                    "lane",
                    "offline",
                    "due_at",
                    "expires_at",
                    "seen",
                )
            },
        ),
        (
            "Origin",
            {
                "fields": (
                    "source",
                    "principal",
                    "operation",
                    "wave",
                    "dedupe_key",
                    "superseded_by",
                    "cancel_requested_at",
                    "created_at",
                )
            },
        ),
    )

    @display(description="command", ordering="command")
    def asked(self, row: CommandLog) -> str:
        return registry[row.command].label if row.command in registry else row.command

    @display(description="state", ordering="state", label=COLOURS)
    def shown_state(self, row: CommandLog) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @display(description="in one sentence")
    def explanation(self, row: CommandLog) -> str:
        return explain(row).sentence

    @display(description="timeline")
    def timeline(self, row: CommandLog) -> SafeString:
        steps = (
            (f"{step.at:%Y-%m-%d %H:%M:%S.%f}"[:-3], State(step.state).label, step.why, step.process)
            for step in row.steps
        )
        lines = format_html_join("", "<li><code>{}</code> <b>{}</b> {} <small>{}</small></li>", steps)
        return format_html('<ol class="space-y-1">{}</ol>', lines)
