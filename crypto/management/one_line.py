from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

USAGE = 2
"""Exit code for what the caller can change."""


class OneLineParser(CommandParser):
    """Says what is wrong in one line, without the usage before it. Name it as the `parser_class` of subparsers."""

    def error(self, message: str) -> NoReturn:
        if self.called_from_command_line:
            self.exit(USAGE, f"{self.prog}: {message}\n")
        raise CommandError(message)


class OneLineCommand(BaseCommand):
    requires_system_checks = ()
    """None: they load the admin and REST, which takes as long as everything else that a command begins with."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = OneLineParser  # Django makes the parser itself and takes no other class.
        return parser
