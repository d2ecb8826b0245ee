"""What the command line asks an operation to be."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crypto.commands import Command, parameters, registry
from crypto.exceptions import InvalidParameters
from crypto.management.parameter_options import add_parameter, given
from crypto.services.operations.policy import DEFAULT, Policy
from crypto.services.operations.selectors import EVERYBODY

POLICY = "policy "
SPELLINGS: dict[str, dict[str, Any]] = {
    "waves": {"metavar": "N,N%,…"},
    "abort": {"metavar": "STATE=N|N%", "action": "append"},
}


def add_command(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="COMMAND", choices=sorted(registry), help=", ".join(sorted(registry)))
    parser.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the command"
    )


def add_selector(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--selector", metavar="JSON", help='which clients, such as {"labels": {"region": "eu"}} (all)'
    )


def add_policy(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("policy")
    for name, parameter in parameters.of(Policy).items():
        default = getattr(DEFAULT, name)
        shown = replace(parameter, help=f"{parameter.help} ({default})") if default else parameter
        add_parameter(group, POLICY, name, shown, **SPELLINGS.get(name, {}))


def command(options: Mapping[str, Any]) -> Command:
    """`--reason` is the command's too, where it has one. Raises InvalidParameters."""
    cls = registry[options["name"]]
    texts = pairs("param", options["param"])
    if options.get("reason") and "reason" in parameters.of(cls):
        texts.setdefault("reason", options["reason"])
    return cls.parse_text(texts)


def selector(options: Mapping[str, Any]) -> Any:
    """Raises InvalidParameters."""
    if options["selector"] is None:
        return EVERYBODY
    try:
        return json.loads(options["selector"])
    except ValueError:
        raise InvalidParameters({"selector": ["Must be JSON."]}) from None


def policy(options: Mapping[str, Any]) -> Policy:
    """Raises InvalidParameters."""
    texts = given(POLICY, options)
    if "abort" in texts:
        texts["abort"] = ",".join(texts["abort"])
    return Policy.parse(parameters.read(parameters.of(Policy), texts))


def pairs(option: str, texts: list[str]) -> dict[str, str]:
    """Raises InvalidParameters."""
    if bad := [text for text in texts if "=" not in text]:
        raise InvalidParameters({f"--{option}": [f"{bad[0]!r} is not NAME=VALUE."]})
    return dict(text.split("=", 1) for text in texts)
