"""One command = one POST action: URL, parameters, permission and OpenAPI entry come from its class."""

from functools import partial
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from crypto.api import answers, arguments
from crypto.api.bodies import body
from crypto.api.permissions import MaySend
from crypto.api.preferences import HEADERS, idempotency_key, wants_async
from crypto.api.waiting import wait_for
from crypto.commands import Command, registry
from crypto.models import Source
from crypto.services.ledger import issue


def add_command_actions(viewset: type[GenericViewSet[Any]]) -> None:
    """Give the viewset one action for each command of the registry. Raises TypeError if a name is taken."""
    for cls in registry.values():
        if hasattr(viewset, cls.name):
            raise TypeError(f"{cls.__name__}: {viewset.__name__} has an attribute {cls.name!r} already")
        setattr(viewset, cls.name, _action(cls))


def _action(cls: type[Command]) -> Any:
    def post(view: GenericViewSet[Any], request: Request, pk: str) -> Response:
        return send(cls, request, pk)

    post.__name__ = post.__qualname__ = cls.name
    post.__doc__ = cls.__doc__
    permissions = [IsAuthenticated, partial(MaySend, cls)]
    made = action(detail=True, methods=["post"], permission_classes=permissions)(post)
    # Outside of @action: the other way round the schema is lost without a word.
    return _describe(cls)(made)


def send(cls: type[Command], request: Request, client_id: str) -> Response:
    """Run the command and answer with the client's ack, or queue it where the caller prefers that."""
    respond_async = wants_async(request)
    given = arguments.read(cls, request.query_params, body(request), respond_async)
    wanted = issue.CommandRequest(
        client_id=_uuid(client_id),
        command=given.command,
        source=Source.REST,
        principal=request.user.get_username(),
        offline=given.offline,
        timeout=given.timeout,
        expires_in=given.expires_in,
        dedupe_key=idempotency_key(request),
    )
    if respond_async:
        return answers.queued(issue.issue(wanted), request)
    return answers.finished(wait_for(wanted), request)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no client {text[:40]!r}: that is not a UUID") from None


def _describe(cls: type[Command]) -> Any:
    own = arguments.known(cls)
    return extend_schema(
        operation_id=f"send_{cls.name}",
        summary=cls.label,
        parameters=[
            *HEADERS,
            *(_query(name, one) for name, one in own.items() if one.schema["type"] != "object"),
        ],
        request={"application/json": arguments.json_schema(cls)},
        responses=answers.RESPONSES,
    )


def _query(name: str, parameter: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, dict(parameter.schema), OpenApiParameter.QUERY, explode=False, description=parameter.help
    )
