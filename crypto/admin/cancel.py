from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from crypto.models import CommandLog
from crypto.services.ledger.cancel import cancel
from crypto.services.permissions import permission_of

MOST = 10_000
"""Rows that one click cancels at most."""


@admin.action(description="Cancel")
def cancel_selected(model_admin: Any, request: HttpRequest, rows: QuerySet[CommandLog]) -> None:
    """End what waits; what was sent is canceled only if its ack does not come in time."""
    chosen = rows.order_by().values_list("pk", "command")[:MOST]
    allowed = [pk for pk, command in chosen if request.user.has_perm(permission_of(command))]
    canceled = cancel(allowed, request.user.get_username())
    refused = len(chosen) - len(allowed)
    said = (
        f"{len(canceled.ended)} canceled, {len(canceled.requested)} under way will be unless they are acked"
    )
    if canceled.over:
        said += f", {len(canceled.over)} had ended before"
    if refused:
        said += f", {refused} are not yours to cancel"
    messages.add_message(request, messages.WARNING if refused else messages.SUCCESS, f"{said}.")
