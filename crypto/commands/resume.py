from dataclasses import dataclass

from crypto.commands.base import Command, register
from crypto.commands.parameters import text


@register
@dataclass(frozen=True)
class Resume(Command):
    """Let a paused client work again."""

    name = "resume"
    method = "resume_client"
    label = "Resume"
    bulk_verb = "resume_all"
    conflict_class = "state"
    leaves = "ACTIVE"
    supersedes = frozenset({"pause"})

    message: str = text(help="Note for the client's log.")
