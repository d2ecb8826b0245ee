"""How the command line spells things; each function raises BadParameter with one sentence."""

import json
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Any

from typer import BadParameter

from crypto.agent.behaviour import Share


class JournalKind(StrEnum):
    DURABLE = "durable"
    FAST = "fast"
    MEMORY = "memory"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def share(text: str) -> Share:
    try:
        return Share.parse(text)
    except ValueError:
        raise BadParameter(f"{text!r} is neither a count like 25 nor a percentage like 10%") from None


def client_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadParameter(f"{text!r} is not a UUID") from None


def server(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not (host and port.isdigit() and 0 < int(port) < 65_536):
        raise BadParameter(f"{text!r} is not HOST:PORT")
    return text


def document(text: str) -> dict[str, Any]:
    """A JSON object, spelled out or in a file."""
    try:
        value = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text())
    except (OSError, ValueError) as error:
        raise BadParameter(f"neither a JSON object nor a file with one: {error}") from None
    if not isinstance(value, dict):
        raise BadParameter("not a JSON object")
    return value


def words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def id_file(text: str) -> list[str]:
    """One UUID a line."""
    try:
        return [client_id(line) for line in Path(text).read_text().split()]
    except OSError as error:
        raise BadParameter(str(error)) from None


def secret(text: str) -> str:
    try:
        return Path(text).read_text().strip()
    except OSError as error:
        raise BadParameter(str(error)) from None
