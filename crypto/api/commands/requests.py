"""What a command's call carries in query string and body: the command's parameters and the call's options."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from crypto.api.common.headers import idempotency_key, wants_async
from crypto.api.common.request_body import object_body
from crypto.commands import Command, parameters
from crypto.commands.parameters import Parameter, choice, number
from crypto.exceptions import InvalidParameters
from crypto.models import Offline, Source
from crypto.services.ledger.issue import EXPIRY_SECONDS, TIMEOUTS, CommandRequest

ASYNC_OPTIONS: dict[str, Parameter] = {
    "offline": choice(
        "Only with `Prefer: respond-async`: what becomes of the command while the client is not connected.",
        (Offline.FAIL, Offline.QUEUE),
    ),
    "expires_in": number(
        "Only with `Prefer: respond-async`: seconds after which the command is no longer delivered.",
        EXPIRY_SECONDS,
        "seconds",
    ),
}
OPTIONS: dict[str, Parameter] = {
    "timeout": number("Seconds to wait for the client's ack.", TIMEOUTS, "seconds"),
    **ASYNC_OPTIONS,
}
"""What every command takes beside its own parameters."""


class Refused(Parameter):
    """An option that this call does not take."""

    def check(self, value: object) -> Any:
        raise ValueError("Only with the header Prefer: respond-async.")


WAITING_OPTIONS = OPTIONS | {
    name: Refused(option.help, option.schema) for name, option in ASYNC_OPTIONS.items()
}
"""The options where the caller waits."""


def command_request(cls: type[Command], request: Request, client_id: str) -> CommandRequest:
    """What the ledger is asked for. Raises InvalidParameters that names everything at fault, NotFound."""
    options = OPTIONS if wants_async(request) else WAITING_OPTIONS
    command, given = arguments(cls, options, request)
    expires_in = given.pop("expires_in", None)
    return CommandRequest(
        client_id=_uuid(client_id),
        command=command,
        source=Source.REST,
        principal=request.user.get_username(),
        expires_in=None if expires_in is None else timedelta(seconds=expires_in),
        dedupe_key=idempotency_key(request),
        **given,
    )


def arguments(
    cls: type[Command], options: Mapping[str, Parameter], request: Request
) -> tuple[Command, dict[str, Any]]:
    """The command, and those of the options that are given, checked. A name that both have is given to both.

    Raises InvalidParameters, which names everything at fault.
    """
    body, own = object_body(request), parameters.of(cls)
    known = {**own, **options}
    values, errors = _from_query(known, request.query_params)
    errors |= {name: ["Given in the query string and in the body."] for name in values.keys() & body.keys()}
    try:
        good = parameters.checked(known, values | body)
    except InvalidParameters as invalid:
        errors = invalid.errors | errors
    if errors:
        raise InvalidParameters(errors)
    given = {name: value for name, value in good.items() if name in options}
    return cls(**{name: value for name, value in good.items() if name in own}), given


def known_parameters(cls: type[Command]) -> dict[str, Parameter]:
    """Everything a call of this command may carry. Raises TypeError if the command has an option's name."""
    own = parameters.of(cls)
    if taken := own.keys() & OPTIONS.keys():
        raise TypeError(f"{cls.__name__}: {sorted(taken)} mean something else in every call")
    return own | OPTIONS


def body_schema(cls: type[Command]) -> dict[str, Any]:
    """JSON schema of the body."""
    return parameters.json_schema(known_parameters(cls))


def query_parameters(cls: type[Command]) -> list[OpenApiParameter]:
    """The same in the query string, as far as a line of text can hold it."""
    return [
        OpenApiParameter(
            name, dict(each.schema), OpenApiParameter.QUERY, explode=False, description=each.help
        )
        for name, each in known_parameters(cls).items()
        if each.schema["type"] != "object"
    ]


def _from_query(
    known: Mapping[str, Parameter], query: QueryDict
) -> tuple[dict[str, object], dict[str, list[str]]]:
    """What the query string spells, not yet checked, and what is wrong with that."""
    texts: dict[str, str] = {}
    errors: dict[str, list[str]] = {}
    for name, given in query.lists():
        if len(given) > 1 and (name not in known or known[name].schema["type"] != "array"):
            errors[name] = ["Given more than once."]
        texts[name] = ",".join(map(str, given))
    return parameters.read(known, texts), errors


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no client {text[:40]!r}: that is not a UUID") from None
