"""Permissions: one for each command of the registry. A new command needs no migration."""

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType

from crypto.commands import Command, registry
from crypto.models import CommandLog


def permission(command: type[Command]) -> str:
    """The permission to send the command, as `user.has_perm` takes it."""
    return permission_of(command.name)


def permission_of(name: str) -> str:
    """The same by name; this version need not know the command."""
    return f"crypto.send_{name}"


def create_permissions(using: str = "default", **kwargs: Any) -> None:
    """Receiver of `post_migrate`."""
    content_type = ContentType.objects.db_manager(using).get_for_model(CommandLog)
    Permission.objects.using(using).bulk_create(
        [
            Permission(content_type=content_type, codename=_codename(cls), name=f"Can send: {cls.label}")
            for cls in registry.values()
        ],
        ignore_conflicts=True,
    )


def _codename(command: type[Command]) -> str:
    return f"send_{command.name}"
