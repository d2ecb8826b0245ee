"""What a call carries in query string and body: the command's parameters and the call's options."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import QueryDict

from crypto.api.errors import BadRequest
from crypto.commands import Command, parameters
from crypto.commands.parameters import Parameter
from crypto.exceptions import InvalidParameters
from crypto.models import Offline
from crypto.services.ledger.issue import EXPIRIES, TIMEOUTS


class Seconds(Parameter):
    def check(self, value: object) -> float:
        low, high = self.schema["minimum"], self.schema["maximum"]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("Must be a number of seconds.")
        if not low <= value <= high:  # also true of NaN
            raise ValueError(f"Must lie between {low:g} and {high:g} seconds.")
        return float(value)

    def read(self, text: str) -> object:
        try:
            return float(text)
        except ValueError:
            return text


class Choice(Parameter):
    def check(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.schema["enum"]:
            raise ValueError(f"Must be one of {', '.join(self.schema['enum'])}.")
        return value


def _seconds(help: str, low: float, high: float) -> Seconds:
    return Seconds(help, {"type": "number", "minimum": low, "maximum": high})


OPTIONS: dict[str, Parameter] = {
    "timeout": _seconds("Seconds to wait for the client's ack.", *TIMEOUTS),
    "offline": Choice(
        "Only with `Prefer: respond-async`: what becomes of the command while the client is not connected.",
        {"type": "string", "enum": [Offline.FAIL.value, Offline.QUEUE.value]},
    ),
    "expires_in": _seconds(
        "Only with `Prefer: respond-async`: seconds after which the command is no longer delivered.",
        *(bound.total_seconds() for bound in EXPIRIES),
    ),
}
"""What every command takes beside its own parameters."""
ASYNC_ONLY = frozenset({"offline", "expires_in"})


@dataclass(frozen=True, slots=True)
class Arguments:
    command: Command
    options: Mapping[str, Any]

    @property
    def timeout(self) -> float | None:
        return self.options.get("timeout")

    @property
    def offline(self) -> Offline:
        return Offline(self.options.get("offline", Offline.FAIL))

    @property
    def expires_in(self) -> timedelta | None:
        seconds = self.options.get("expires_in")
        return None if seconds is None else timedelta(seconds=seconds)


def known(cls: type[Command]) -> dict[str, Parameter]:
    """Everything a call of this command may carry. Raises TypeError if the command has an option's name."""
    own = {name: parameter for name, (_, parameter) in parameters.of(cls).items()}
    if taken := own.keys() & OPTIONS.keys():
        raise TypeError(f"{cls.__name__}: {sorted(taken)} mean something else in every call")
    return own | OPTIONS


def json_schema(cls: type[Command]) -> dict[str, Any]:
    """Of the body."""
    properties = {name: {**p.schema, "description": p.help} for name, p in known(cls).items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def read(cls: type[Command], query: QueryDict, body: object, respond_async: bool) -> Arguments:
    """Raises BadRequest, which names everything at fault."""
    if not isinstance(body, dict):
        raise BadRequest({"body": ["Must be a JSON object."]})
    errors: dict[str, list[str]] = {}
    values = from_query(known(cls), query, errors)
    for name, value in body.items():
        if name in values:
            errors[name] = ["Given in the query string and in the body."]
        values[name] = value
    options = _options(values, respond_async, errors)
    try:
        command = cls.parse(values)
    except InvalidParameters as invalid:
        errors = {**invalid.errors, **errors}
    if errors:
        raise BadRequest(errors)
    return Arguments(command, options)


def from_query(
    known: Mapping[str, Parameter], query: QueryDict, errors: dict[str, list[str]]
) -> dict[str, object]:
    """What the query string spells, not yet checked; `errors` is told what is there twice."""
    values: dict[str, object] = {}
    for name, texts in query.lists():
        parameter = known.get(name)
        if len(texts) > 1 and (parameter is None or parameter.schema["type"] != "array"):
            errors[name] = ["Given more than once."]
        text = ",".join(map(str, texts))
        values[name] = parameter.read(text) if parameter else text
    return values


def _options(values: dict[str, object], respond_async: bool, errors: dict[str, list[str]]) -> dict[str, Any]:
    """Takes the options out of `values`, checked."""
    options: dict[str, Any] = {}
    for name in OPTIONS.keys() & values.keys():
        try:
            options[name] = OPTIONS[name].check(values.pop(name))
            if name in ASYNC_ONLY and not respond_async:
                raise ValueError("Only with the header Prefer: respond-async.")
        except ValueError as error:
            errors[name] = [str(error)]
    return options
