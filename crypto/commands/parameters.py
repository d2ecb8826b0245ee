"""The kinds of parameter there are: each knows how to check a value, how to read it from text, and its JSON schema.

A command's parameter is a dataclass field made by one of the functions at the end of this file; its `Parameter` is kept
in the field's metadata, where REST, OpenAPI, the command line and the admin find it. What calls take beside a command's
own parameters (a timeout, an operation's policy) is declared in the same terms.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from crypto.exceptions import InvalidParameters

MAX_TEXT = 1_000
MAX_SYMBOLS = 200
MAX_DOCUMENT_BYTES = 64 * 1024
MAX_DEPTH = 100
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
BRACKET = re.compile(r"[\[\]{}]")
INT32 = 2**31
INT64 = 2**63
SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,19}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What the edges need to know of one parameter beside its name and default."""

    help: str
    schema: Mapping[str, Any]
    """JSON schema of the value, shown in OpenAPI."""

    def check(self, value: object) -> Any:
        """The value as the command keeps it. Raises ValueError with a sentence for the user."""
        raise NotImplementedError

    def read(self, text: str) -> object:
        """The value that a query string or command line spells as `text`, not yet checked."""
        return text


class Unchecked(Parameter):
    """What the use case it is for checks itself."""

    def check(self, value: object) -> Any:
        return value


class Text(Parameter):
    def check(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("Must be a string.")
        if len(value) > self.schema["maxLength"]:
            raise ValueError(f"Must have at most {self.schema['maxLength']} characters.")
        if "\x00" in value:
            raise ValueError("Must not contain NUL characters.")
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError("Must be text: a lone surrogate is no character.")
        return value


class Integer(Parameter):
    def check(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("Must be an integer.")
        low, high = self.schema["minimum"], self.schema["maximum"]
        if not low <= value <= high:
            raise ValueError(f"Must lie between {low} and {high}.")
        return value

    def read(self, text: str) -> object:
        try:
            return int(text)
        except ValueError:
            return text


@dataclass(frozen=True, slots=True)
class Number(Parameter):
    unit: str = ""
    """Said after the bounds where a value lies beyond them: "seconds"."""

    def check(self, value: object) -> float:
        low, high = self.schema["minimum"], self.schema["maximum"]
        # The comparison is also false of NaN.
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(
                f"Must be a number between {low:.12g} and {high:.12g} {self.unit}".rstrip() + "."
            )
        return float(value)

    def read(self, text: str) -> object:
        try:
            return float(text)
        except ValueError:
            return text


@dataclass(frozen=True, slots=True)
class Choice(Parameter):
    kind: Callable[[str], Any] = str
    """Makes of the text what is kept: an enum's member."""

    def check(self, value: object) -> Any:
        if not isinstance(value, str) or value not in self.schema["enum"]:
            raise ValueError(f"Must be one of {', '.join(self.schema['enum'])}.")
        return self.kind(value)


class Choices(Parameter):
    """Several of an array's enum, at least one."""

    def check(self, value: object) -> list[str]:
        known = self.schema["items"]["enum"]
        if not isinstance(value, list | tuple) or not value or not all(each in known for each in value):
            raise ValueError(f"Must be a list of {', '.join(known)}.")
        return list(value)

    def read(self, text: str) -> object:
        return text.split(",")


class Flag(Parameter):
    def check(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("Must be true or false.")
        return value

    def read(self, text: str) -> object:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            text.lower(), text
        )


class Symbols(Parameter):
    def check(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError("Must be a list of symbols.")
        if len(value) > MAX_SYMBOLS:
            raise ValueError(f"Must name at most {MAX_SYMBOLS} symbols.")
        for symbol in value:
            if not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol):
                raise ValueError(f"Not a symbol: {str(symbol)[:40]!r}.")
        return tuple(dict.fromkeys(value))

    def read(self, text: str) -> object:
        return [part.strip() for part in text.split(",")] if text else []


class Document(Parameter):
    """A JSON object, kept as its canonical text: equal documents are equal parameters."""

    def check(self, value: object) -> str:
        if isinstance(value, str):
            value = _parsed(value)
        if not isinstance(value, dict):
            raise ValueError("Must be a JSON object.")
        try:
            text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError("Must be JSON without NaN or Infinity.") from None
        if len(text.encode()) > MAX_DOCUMENT_BYTES:
            raise ValueError(f"Must have at most {MAX_DOCUMENT_BYTES} bytes.")
        return text


def _parsed(text: str) -> Any:
    """Raises ValueError. What is nested too deeply for the parser, whose limit is the stack's, never reaches it."""
    depth = 0
    for bracket in BRACKET.findall(STRING.sub("", text[: 4 * MAX_DOCUMENT_BYTES])):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"Must be nested at most {MAX_DEPTH} levels deep.")
    if len(text) > 4 * MAX_DOCUMENT_BYTES:
        raise ValueError(f"Must have at most {MAX_DOCUMENT_BYTES} bytes.")
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError("Must be JSON.") from None


def number(help: str, bounds: tuple[float, float], unit: str = "") -> Number:
    """A parameter between two bounds, for what is no field of a command."""
    low, high = bounds
    return Number(help, {"type": "number", "minimum": low, "maximum": high}, unit)


def choice(help: str, members: Iterable[Enum]) -> Choice:
    """A parameter that is one of these members, for what is no field of a command."""
    members = tuple(members)
    return Choice(help, {"type": "string", "enum": [member.value for member in members]}, type(members[0]))


def text(default: str = "", *, help: str, max_length: int = MAX_TEXT) -> Any:
    return declared(Text(help, {"type": "string", "maxLength": max_length}), default)


def integer(default: int = 0, *, help: str, minimum: int = -INT32, maximum: int = INT32 - 1) -> Any:
    return declared(Integer(help, {"type": "integer", "minimum": minimum, "maximum": maximum}), default)


def flag(default: bool = False, *, help: str) -> Any:
    return declared(Flag(help, {"type": "boolean"}), default)


def symbols(*, help: str) -> Any:
    item = {"type": "string", "pattern": f"^{SYMBOL.pattern}$"}
    return declared(Symbols(help, {"type": "array", "items": item, "maxItems": MAX_SYMBOLS}), ())


def document(*, help: str) -> Any:
    return declared(Document(help, {"type": "object"}), "{}")


def declared(parameter: Parameter, default: object) -> Any:
    """A dataclass field that is this parameter."""
    return field(default=default, metadata={"parameter": parameter})


def of(cls: type[Any]) -> dict[str, Parameter]:
    """The parameters of a dataclass by name, in order of declaration."""
    return {f.name: f.metadata["parameter"] for f in fields(cls)}


def checked(known: Mapping[str, Parameter], values: Mapping[str, object]) -> dict[str, Any]:
    """All of `values` checked. Raises InvalidParameters that names every field at fault."""
    good, errors = {}, {}
    for name, value in values.items():
        try:
            if name not in known:
                raise ValueError(f"Unknown parameter; known are {', '.join(known) or 'none'}.")
            good[name] = known[name].check(value)
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise InvalidParameters(errors)
    return good


def read(known: Mapping[str, Parameter], texts: Mapping[str, str]) -> dict[str, object]:
    """Values spelled as text (query string, command line); unknown names pass through for `checked` to refuse."""
    return {name: known[name].read(value) if name in known else value for name, value in texts.items()}


def json_schema(known: Mapping[str, Parameter], *required: str) -> dict[str, Any]:
    """Of an object with these fields."""
    properties = {
        name: {**parameter.schema, "description": parameter.help} for name, parameter in known.items()
    }
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})
