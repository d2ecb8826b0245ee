from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from crypto.commands import Command
from crypto.services.permissions import permission


class MaySend(BasePermission):
    """Holds the permission of one command; superusers hold all."""

    def __init__(self, command: type[Command]) -> None:
        self._permission = permission(command)
        self.message = f"You may not send {command.name}."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user.has_perm(self._permission))
