"""Who may do what; that somebody is logged in has been seen to before."""

from django.db.models import Model
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from crypto.services.permissions import permission_of


def may_send(request: Request, command: str) -> None:
    """Raises PermissionDenied for whoever may not send commands of this name."""
    if not request.user.has_perm(permission_of(command)):
        raise PermissionDenied(f"You may not send {command}.")


def may_write(request: Request, deed: str, model: type[Model]) -> None:
    """Raises PermissionDenied for whoever may not "add", "change" or "delete" rows of the model."""
    meta = model._meta
    if not request.user.has_perm(f"{meta.app_label}.{deed}_{meta.model_name}"):
        raise PermissionDenied(f"You may not {deed} {meta.verbose_name_plural}.")
