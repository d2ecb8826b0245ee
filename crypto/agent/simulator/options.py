"""How the command line spells things; each function raises ArgumentTypeError with one sentence."""

import json
import uuid
from argparse import ArgumentTypeError
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from crypto.agent.connectors import Factory, connectors
from crypto.agent.simulator.behaviour import Share


class JournalKind(StrEnum):
    DURABLE = "durable"
    FAST = "fast"
    MEMORY = "memory"


def share(text: str) -> Share:
    try:
        return Share.parse(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is neither a count like 25 nor a percentage like 10%") from None


def client_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a UUID") from None


def server(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not (host and port.isdigit() and 0 < int(port) < 65_536):
        raise ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return text


def whole(least: int, most: int = 2**31) -> Callable[[str], int]:
    """Whole numbers of this range."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return number


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds, at least 0.1")
    return number


def connector(text: str) -> Factory:
    if text not in connectors:
        raise ArgumentTypeError(f"{text!r} is none of {', '.join(connectors)}")
    return connectors[text]


def document(text: str) -> dict[str, Any]:
    """A JSON object, spelled out or in a file."""
    try:
        value = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text())
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(f"neither a JSON object nor a file with one: {error}") from None
    if not isinstance(value, dict):
        raise ArgumentTypeError("not a JSON object")
    return value


def words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def id_file(text: str) -> list[str]:
    """One UUID a line."""
    return [client_id(line) for line in file_text(text).split()]


def file_text(text: str) -> str:
    """What the file holds, without the white space around it."""
    try:
        return Path(text).read_text().strip()
    except OSError as error:
        raise ArgumentTypeError(str(error)) from None
