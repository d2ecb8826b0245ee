from dataclasses import dataclass

from crypto.commands.base import Command, register
from crypto.commands.parameters import integer


@register
@dataclass(frozen=True)
class Ping(Command):
    """Ask the client for a sign of life."""

    name = "ping"
    method = "ping_client"
    label = "Ping"
    timeout = 5.0

    sequence: int = integer(help="Number that the client repeats in its answer.")
