from dataclasses import dataclass

from crypto.commands.base import Command, register
from crypto.commands.parameters import text


@register
@dataclass(frozen=True)
class Restart(Command):
    """Restart the client; it acks first and then connects anew."""

    name = "restart"
    method = "restart_client"
    label = "Restart"
    idempotent = False
    conflict_class = "state"

    reason: str = text(help="Why, as the client's log should say it.")
