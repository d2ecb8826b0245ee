"""What the calls that start operations carry."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from crypto.api import arguments
from crypto.api.arguments import Seconds
from crypto.api.errors import BadRequest
from crypto.api.operation_answers import accepted
from crypto.api.preferences import idempotency_key
from crypto.api.waiting import seat
from crypto.commands import Command, parameters
from crypto.exceptions import InvalidParameters
from crypto.models import Source
from crypto.services.desired.standing_orders import start
from crypto.services.ledger.issue import command
from crypto.services.operations import progress
from crypto.services.operations.policy import Policy
from crypto.services.operations.selectors import EVERYBODY
from crypto.services.operations.start import OperationRequest
from crypto.services.permissions import permission

WAIT = Seconds("Seconds to wait for the operation's end.", {"type": "number", "minimum": 0, "maximum": 60})
POLICY = "window, rate, waves, gate, abort, offline, timeout, expires_in"
OPTIONS: dict[str, dict[str, Any]] = {
    "selector": {"type": "object", "description": 'Which clients; `{"all": true}` unless given.'},
    "policy": {"type": "object", "description": f"How to go about it: {POLICY}."},
    "reason": {"type": "string", "maxLength": 1_000, "description": "Why, for the record."},
    "expected_snapshot": {
        "type": "string",
        "description": "Snapshot of a preview: 409 if the targets changed.",
    },
    "wait": {**WAIT.schema, "description": WAIT.help},
}
"""What starts an operation beside the command, in JSON schema."""


def begin(request: Request, asked: Command, options: Mapping[str, object]) -> Response:
    """Start the operation and answer with its progress."""
    seconds = wait(options.get("wait", 0.0))
    operation = start(
        OperationRequest(
            command=asked,
            selector=options.get("selector", EVERYBODY),
            policy=Policy.parse(options.get("policy", {})),
            source=Source.REST,
            principal=request.user.get_username(),
            reason=text(options, "reason"),
            dedupe_key=idempotency_key(request),
            expected_snapshot=text(options, "expected_snapshot") or None,
        )
    )
    with seat():
        return accepted(progress.wait_for(operation.pk, seconds), request)


def given_command(request: Request, values: Mapping[str, object]) -> Command:
    """The command that a body names. Raises BadRequest, PermissionDenied, UnknownCommand, InvalidParameters."""
    params = values.get("params", {})
    if not isinstance(params, dict):
        raise BadRequest({"params": ["Must be an object."]})
    try:
        asked = command(text(values, "command"), params)
    except InvalidParameters as invalid:
        raise BadRequest(
            {f"params.{name}": sentences for name, sentences in invalid.errors.items()}
        ) from None
    may_send(request, type(asked))
    return asked


def may_send(request: Request, cls: type[Command]) -> None:
    """Raises PermissionDenied."""
    if not request.user.has_perm(permission(cls)):
        raise PermissionDenied(f"You may not send {cls.name}.")


def bulk_arguments(
    cls: type[Command], request: Request, body: Mapping[str, object]
) -> tuple[Command, dict[str, object]]:
    """The command and the options of a bulk call. `reason` is the command's too, where it has one.

    Raises BadRequest, which names everything at fault.
    """
    own = {name: parameter for name, (_, parameter) in parameters.of(cls).items()}
    errors: dict[str, list[str]] = {}
    values = arguments.from_query({"wait": WAIT, **own}, request.query_params, errors)
    errors |= {name: ["Given in the query string and in the body."] for name in values.keys() & body.keys()}
    values |= body
    options = {name: values[name] for name in OPTIONS.keys() & values.keys()}
    try:
        asked = cls.parse(
            {name: value for name, value in values.items() if name in own or name not in OPTIONS}
        )
    except InvalidParameters as invalid:
        errors = {**invalid.errors, **errors}
    if errors:
        raise BadRequest(errors)
    return asked, options


def text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise BadRequest({name: ["Must be a string."]})
    return value


def wait(value: object) -> float:
    try:
        return float(WAIT.check(value))
    except ValueError as error:
        raise BadRequest({"wait": [str(error)]}) from None
