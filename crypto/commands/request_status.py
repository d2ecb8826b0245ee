from dataclasses import dataclass

from crypto.commands.base import Command, register
from crypto.commands.parameters import flag


@register
@dataclass(frozen=True)
class RequestStatus(Command):
    """Ask the client how it is."""

    name = "request_status"
    method = "request_status"
    label = "Request status"

    include_stats: bool = flag(help="Whether the answer carries the client's counters.")
