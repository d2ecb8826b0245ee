import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from crypto.admin.reading import Reading
from crypto.commands import registry
from crypto.exceptions import OrchestratorError
from crypto.models import Operation, OperationState, Source, State
from crypto.services.operations import actions
from crypto.services.operations.progress import Progress, progress
from crypto.services.permissions import permission_of

COLOURS = {
    OperationState.RUNNING: "info",
    OperationState.PAUSED: "warning",
    OperationState.STOPPING: "warning",
    OperationState.COMPLETED: "success",
    OperationState.COMPLETED_WITH_FAILURES: "danger",
    OperationState.ABORTED: "danger",
    OperationState.CANCELED: "info",
}
BARS = {
    State.SUCCEEDED: "bg-green-500",
    State.SENT: "bg-blue-300",
    State.FAILED: "bg-red-500",
    State.REJECTED: "bg-red-500",
    State.TIMED_OUT: "bg-orange-500",
    State.NOT_CONNECTED: "bg-orange-300",
    State.EXPIRED: "bg-orange-300",
    State.CANCELED: "bg-base-400",
    State.SUPERSEDED: "bg-base-400",
}
"""How each state is drawn in the bar; what waits is left empty."""
VERBS: dict[str, tuple[str, Callable[[UUID, str], Operation]]] = {
    "pause": ("Pause", actions.pause),
    "resume": ("Resume", actions.resume),
    "step": ("Next wave", actions.step),
    "cancel": ("Cancel", actions.cancel),
}
POSSIBLE = {OperationState.RUNNING: ("pause", "cancel"), OperationState.PAUSED: ("resume", "step", "cancel")}


@admin.register(Operation)
class OperationAdmin(Reading):
    """The list, and the live page of one operation in the place of its form."""

    list_display = (
        "asked",
        "shown_state",
        "targets",
        "reason",
        "principal",
        "source",
        "created_at",
        "finished_at",
    )
    list_filter = (
        ("state", ChoicesDropdownFilter),
        "command",
        ("source", ChoicesDropdownFilter),
        ("created_at", RangeDateTimeFilter),
    )
    search_fields = ("=id", "principal", "reason")

    @display(description="command", ordering="command")
    def asked(self, operation: Operation) -> str:
        return _label(operation)

    @display(description="state", ordering="state", label=COLOURS)
    def shown_state(self, operation: Operation) -> tuple[str, str]:
        return operation.state, operation.get_state_display()

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<uuid:pk>/figures/",
                self.admin_site.admin_view(self.figures),
                name="crypto_operation_figures",
            ),
            path(
                "<uuid:pk>/<slug:verb>/",
                self.admin_site.admin_view(self.control),
                name="crypto_operation_control",
            ),
        ]
        # Ours cannot come first: "history" and "delete" are verbs, too.
        standard = super().get_urls()
        return [*own[:1], *standard[:-1], own[1], standard[-1]]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        operation = self.get_object(request, object_id)
        if operation is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        context = {
            **self.admin_site.each_context(request),
            **_context(request, progress(operation.pk)),
            "title": f"{_label(operation)} {operation.targets} clients",
            "asked": _asked(operation),
            "opts": self.opts,
        }
        return render(request, "crypto/operation/progress.html", context)

    def figures(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The part of the page that is fetched again and again while the operation is under way."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        operation = get_object_or_404(Operation, pk=pk)
        return render(request, "crypto/operation/figures.html", _context(request, progress(operation.pk)))

    def control(self, request: HttpRequest, pk: UUID, verb: str) -> HttpResponseBase:
        operation = get_object_or_404(Operation, pk=pk)
        if request.method != "POST" or not may_control(request, operation):
            raise PermissionDenied
        who = request.user.get_username()
        try:
            if verb == "retry":
                operation = actions.retry(pk, source=Source.ADMIN, principal=who)
            elif verb in VERBS:
                VERBS[verb][1](pk, who)
        except OrchestratorError as error:
            messages.error(request, str(error).capitalize() + ".")
        return redirect("admin:crypto_operation_change", operation.pk)


def may_control(request: HttpRequest, operation: Operation) -> bool:
    return bool(request.user.has_perm(permission_of(operation.command)))


def _label(operation: Operation) -> str:
    return registry[operation.command].label if operation.command in registry else operation.command


def _asked(operation: Operation) -> list[tuple[str, str]]:
    """What was asked for, as JSON; a long list of ids tells a reader nothing but its length."""
    ids = operation.selector.get("ids") if operation.selector.keys() == {"ids"} else None
    chosen = json.dumps(operation.selector) if ids is None else f"{len(ids)} clients, named by id"
    said = {"Parameters": json.dumps(operation.params), "Selector": chosen}
    return [*said.items(), *([("Policy", json.dumps(operation.policy))] if operation.policy else [])]


def _context(request: HttpRequest, found: Progress) -> dict[str, Any]:
    operation, counts = found.operation, found.totals.by_state
    verbs = list(POSSIBLE.get(OperationState(operation.state), ()))
    if operation.waves == 1 and "step" in verbs:
        verbs.remove("step")
    failed = counts.total() - counts[State.SUCCEEDED]
    return {
        "operation": operation,
        "found": found,
        "state": OperationState(operation.state).label,
        "percent": round(100 * found.part, 1),
        "eta": found.eta.total_seconds() if found.eta is not None and operation.under_way else None,
        "bars": [
            {"state": state.label, "class": css, "width": f"{100 * counts[state] / operation.targets:.3f}"}
            for state, css in BARS.items()
            if counts[state]
        ],
        "counts": [
            {"state": state.label, "count": counts[state], "url": _rows(operation, state)}
            for state in State
            if counts[state]
        ],
        "verbs": [(verb, VERBS[verb][0]) for verb in verbs] if may_control(request, operation) else [],
        "retriable": not operation.under_way and failed and may_control(request, operation),
    }


def _rows(operation: Operation, state: State) -> str:
    query = urlencode({"operation__id__exact": operation.pk, "state__exact": state.value})
    return f"{reverse('admin:crypto_commandlog_changelist')}?{query}"
