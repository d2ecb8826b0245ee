"""Options of the command line that are parameters: their names, help and checks come from the declaration."""

from argparse import SUPPRESS, ArgumentParser, _ArgumentGroup
from collections.abc import Mapping
from typing import Any

from crypto.commands.parameters import Parameter

METAVARS = {
    "array": "A,B,…",
    "boolean": "true|false",
    "integer": "N",
    "number": "N",
    "object": "JSON",
    "string": "TEXT",
}


def add_parameter(
    parser: ArgumentParser | _ArgumentGroup, prefix: str, name: str, parameter: Parameter, **more: Any
) -> None:
    """`prefix` keeps the parameters of one kind apart from other options, whatever their names."""
    schema = parameter.schema
    metavar = "|".join(schema["enum"]) if "enum" in schema else METAVARS[schema["type"]]
    # A flag may stand alone.
    flag: dict[str, Any] = {"nargs": "?", "const": "true"} if schema["type"] == "boolean" else {}
    parser.add_argument(
        f"--{name.replace('_', '-')}",
        dest=prefix + name,
        default=SUPPRESS,
        **{"metavar": metavar, "help": parameter.help.replace("%", "%%"), **flag, **more},
    )


def given(prefix: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that the command line names, as text."""
    return {name.removeprefix(prefix): value for name, value in options.items() if name.startswith(prefix)}
