"""The bulk actions of the client list: one for each command of the registry, confirmed on a page that shows whom it
would reach. What was selected travels as the snapshot of that preview, so that what was shown is what is started."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from crypto.commands import Command, parameters, registry
from crypto.exceptions import InvalidParameters, OrchestratorError
from crypto.models import Client, Snapshot, Source
from crypto.services.desired.standing_orders import start
from crypto.services.operations.selectors import MAX_IDS
from crypto.services.operations.start import MAX_REASON, OperationRequest
from crypto.services.operations.targets import preview
from crypto.services.permissions import permission

PREFIX = "send_"
Action = Callable[[Any, HttpRequest, QuerySet[Client]], HttpResponseBase | None]


class ConfirmForm(forms.Form):
    """Why, and the command's parameters, each from its declaration."""

    snapshot = forms.CharField(widget=forms.HiddenInput, max_length=64)
    operation_reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=MAX_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text="Why, for the record.",
    )

    def __init__(self, cls: type[Command], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cls = cls
        self.command: Command | None = None
        defaults = cls()
        for name, parameter in parameters.of(cls).items():
            if name == "reason":
                continue  # one reason is enough for the operator, the record and the client's log
            long = parameter.schema["type"] == "object"
            self.fields[name] = forms.CharField(
                required=False,
                help_text=parameter.help,
                initial=_spelled(getattr(defaults, name)),
                widget=UnfoldAdminTextareaWidget if long else UnfoldAdminTextInputWidget,
            )

    def clean(self) -> dict[str, Any]:
        values = {**self.cleaned_data, "reason": self.cleaned_data.get("operation_reason", "")}
        texts = {name: values[name] for name in parameters.of(self._cls) if values.get(name)}
        try:
            self.command = self._cls.parse_text(texts)
        except InvalidParameters as invalid:
            for name, sentences in invalid.errors.items():
                self.add_error(name if name in self.fields else None, sentences)
        return self.cleaned_data


class BulkActions(ModelAdmin):
    """Mixed into the admin of clients."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        allowed = [cls for cls in registry.values() if request.user.has_perm(permission(cls))]
        own = {
            PREFIX + cls.name: (_action(cls), PREFIX + cls.name, f"{cls.label} selected") for cls in allowed
        }
        return {**super().get_actions(request), **own}

    def get_urls(self) -> list[URLPattern]:
        confirm = self.admin_site.admin_view(self.confirm)
        return [path("send/<slug:name>/", confirm, name="crypto_client_send"), *super().get_urls()]

    def confirm(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Start what was confirmed."""
        cls = registry.get(name)
        if cls is None or request.method != "POST" or not request.user.has_perm(permission(cls)):
            raise PermissionDenied
        form = ConfirmForm(cls, request.POST)
        snapshot = get_object_or_404(Snapshot, pk=str(request.POST.get("snapshot", ""))[:64])
        ids = _members(snapshot)
        if not form.is_valid() or form.command is None:
            return confirmation(self, request, cls, ids, form)
        try:
            operation = start(
                OperationRequest(
                    command=form.command,
                    selector={"ids": ids},
                    source=Source.ADMIN,
                    principal=request.user.get_username(),
                    reason=form.cleaned_data["operation_reason"],
                    expected_snapshot=snapshot.pk,
                )
            )
        except OrchestratorError as error:
            messages.error(request, f"Nothing was started: {error}.")
            return redirect("admin:crypto_client_changelist")
        return redirect("admin:crypto_operation_change", operation.pk)


def confirmation(
    model_admin: ModelAdmin,
    request: HttpRequest,
    cls: type[Command],
    ids: list[str],
    form: ConfirmForm | None = None,
) -> HttpResponse:
    """The page that says whom the command would reach and asks for a reason."""
    found = preview(cls, {"ids": ids})
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{cls.label} {found.targets} clients",
        "summary": (cls.__doc__ or "").splitlines()[0],
        "opts": model_admin.opts,
        "command": cls,
        "found": found,
        "form": form or ConfirmForm(cls, initial={"snapshot": found.snapshot}),
    }
    return render(request, "crypto/operation/confirm.html", context)


def _action(cls: type[Command]) -> Action:
    @admin.action(description=f"{cls.label} selected")
    def ask(model_admin: Any, request: HttpRequest, clients: QuerySet[Client]) -> HttpResponseBase | None:
        ids = [str(pk) for pk in clients.order_by().values_list("pk", flat=True)[: MAX_IDS + 1]]
        if len(ids) > MAX_IDS:
            messages.error(request, f"One action takes at most {MAX_IDS} clients.")
            return None
        return confirmation(model_admin, request, cls, ids)

    return ask


def _members(snapshot: Snapshot) -> list[str]:
    members = bytes(snapshot.members)
    return [str(UUID(bytes=members[at : at + 16])) for at in range(0, len(members), 16)]


def _spelled(default: object) -> str:
    """A parameter's default as `parse_text` reads it."""
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)
