from dataclasses import dataclass

from crypto.commands.base import Command, Lane, register
from crypto.commands.parameters import text


@register
@dataclass(frozen=True)
class Pause(Command):
    """Stop the client's work until it is resumed."""

    name = "pause"
    method = "pause_client"
    label = "Pause"
    bulk_verb = "pause_all"
    bulk_lane = Lane.URGENT
    conflict_class = "state"
    leaves = "PAUSED"
    supersedes = frozenset({"resume"})

    reason: str = text(help="Why, as the client's log should say it.")
