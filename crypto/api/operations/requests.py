"""What the calls that start operations carry."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from crypto.api.commands.requests import arguments
from crypto.api.common.headers import idempotency_key
from crypto.api.common.permissions import may_send
from crypto.api.common.wait_slots import wait_slot
from crypto.api.operations.responses import accepted
from crypto.commands import Command, parameters, registry
from crypto.commands.parameters import Choice, Parameter, Text, Unchecked, number
from crypto.exceptions import InvalidParameters
from crypto.models import Source
from crypto.services.desired.standing_orders import start
from crypto.services.operations import progress
from crypto.services.operations.policy import Policy
from crypto.services.operations.selectors import EVERYBODY
from crypto.services.operations.start import MAX_REASON, OperationRequest

COMMAND: dict[str, Parameter] = {
    "command": Choice("Which command.", {"type": "string", "enum": sorted(registry)}),
    "params": Unchecked("The command's parameters.", {"type": "object"}),
}
SELECTOR = Unchecked('Which clients; `{"all": true}` unless given.', {"type": "object"})
REASON = Text("Why, for the record.", {"type": "string", "maxLength": MAX_REASON})
WAIT = number("Seconds to wait for the operation's end.", (0, 60), "seconds")
OPTIONS: dict[str, Parameter] = {
    "selector": SELECTOR,
    "policy": Unchecked("How to go about it.", Policy.json_schema()),
    "reason": REASON,
    "expected_snapshot": Text(
        "Snapshot of a preview: 409 if the targets changed.", {"type": "string", "maxLength": 64}
    ),
    "wait": WAIT,
}
"""What starts an operation beside the command."""


def begin(command: Command, options: Mapping[str, Any], request: Request) -> Response:
    """Start the operation and answer with its progress."""
    operation = start(
        OperationRequest(
            command=command,
            selector=options.get("selector", EVERYBODY),
            policy=Policy.parse(options.get("policy", {})),
            source=Source.REST,
            principal=request.user.get_username(),
            reason=options.get("reason", ""),
            dedupe_key=idempotency_key(request),
            expected_snapshot=options.get("expected_snapshot") or None,
        )
    )
    with wait_slot():
        return accepted(progress.wait_for(operation.pk, options.get("wait", 0.0)), request)


def begin_over_all(cls: type[Command], request: Request) -> Response:
    """The same for a bulk verb. `reason` is the command's too, where it has one.

    Raises InvalidParameters, which names everything at fault.
    """
    return begin(*arguments(cls, OPTIONS, request), request)


def given_command(values: Mapping[str, Any], request: Request) -> Command:
    """The command that a body names. Raises PermissionDenied, InvalidParameters."""
    params = values.get("params", {})
    if not isinstance(params, dict):
        raise InvalidParameters({"params": ["Must be an object."]})
    may_send(request, values["command"])
    try:
        return registry[values["command"]].parse(params)
    except InvalidParameters as invalid:
        raise invalid.within("params") from None


def wait_seconds(request: Request) -> float:
    """How long the query string asks to wait. Raises InvalidParameters."""
    texts = {"wait": request.query_params.get("wait", "0")}
    known = {"wait": WAIT}
    return float(parameters.checked(known, parameters.read(known, texts))["wait"])


def bulk_schema(cls: type[Command]) -> dict[str, Any]:
    """JSON schema of a bulk verb's body."""
    return parameters.json_schema({**parameters.of(cls), **OPTIONS})
