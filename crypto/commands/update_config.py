from dataclasses import dataclass
from typing import Any

from crypto.commands.base import Command, register
from crypto.commands.parameters import INT64, document, integer


@register
@dataclass(frozen=True)
class UpdateConfig(Command):
    """Replace the client's configuration document."""

    name = "update_config"
    method = "update_config"
    label = "Update configuration"
    conflict_class = "config"
    supersedes = frozenset({"update_config"})

    document: str = document(help="The whole configuration as a JSON object.")
    version: int = integer(help="Version of the document.", minimum=0, maximum=INT64 - 1)

    def changes(self, success: bool) -> dict[str, Any]:
        return {"config_version": self.version} if success else {}
