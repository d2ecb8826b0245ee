"""What the command line asks an operation to be."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from crypto.commands import Command, parameters, registry
from crypto.exceptions import InvalidParameters
from crypto.models import Offline
from crypto.services.operations.policy import Policy
from crypto.services.operations.selectors import EVERYBODY


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
    policy = parser.add_argument_group("policy")
    policy.add_argument("--window", type=int, metavar="N", help="commands under way at any time, at most")
    policy.add_argument("--rate", type=float, metavar="N", help="commands sent a second, at most")
    policy.add_argument("--waves", metavar="N,N%,…", help="sizes of the first waves, such as 5,10%%")
    policy.add_argument("--gate", type=float, metavar="0…1", help="share of a wave that must succeed (0.9)")
    policy.add_argument(
        "--abort", action="append", default=[], metavar="STATE=N|N%", help="failures that end it: FAILED=5%%"
    )
    policy.add_argument("--offline", choices=Offline.values, help="clients that are not connected (skip)")
    policy.add_argument("--timeout", type=float, metavar="S", help="seconds to wait for each ack")
    policy.add_argument(
        "--expires-in", type=float, metavar="S", help="seconds after which nothing is delivered"
    )


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
    values = {name: options[name] for name in ("window", "rate", "gate", "offline", "timeout", "expires_in")}
    values["waves"] = [share(text) for text in options["waves"].split(",")] if options["waves"] else None
    values["abort"] = {kind: share(text) for kind, text in pairs("abort", options["abort"]).items()} or None
    return Policy.parse(values)


def share(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def pairs(option: str, texts: list[str]) -> dict[str, str]:
    """Raises InvalidParameters."""
    if bad := [text for text in texts if "=" not in text]:
        raise InvalidParameters({f"--{option}": [f"{bad[0]!r} is not NAME=VALUE."]})
    return dict(text.split("=", 1) for text in texts)
