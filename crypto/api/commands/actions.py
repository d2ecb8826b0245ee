"""One command = one POST action, and one more for its bulk verb: address, parameters, permission and OpenAPI entry
come from the command's class."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from crypto.api.commands import requests, responses
from crypto.api.common.headers import HEADERS, IDEMPOTENCY_KEY, wants_async
from crypto.api.common.permissions import may_send
from crypto.api.common.wait_slots import wait_for
from crypto.api.operations import responses as operation_responses
from crypto.api.operations.requests import begin_over_all, bulk_schema
from crypto.commands import Command, registry
from crypto.services.ledger.issue import issue

ViewSet = type[GenericViewSet[Any]]


def add_command_actions(viewset: ViewSet) -> None:
    """Give the viewset the actions of every command of the registry. Raises TypeError if a name is taken."""
    for cls in registry.values():
        _add_single(viewset, cls)
        if cls.bulk_verb:
            _add_bulk(viewset, cls)


def _add_single(viewset: ViewSet, cls: type[Command]) -> None:
    def post(view: GenericViewSet[Any], request: Request, pk: str) -> Response:
        may_send(request, cls.name)
        return _send(cls, request, pk)

    post.__doc__ = cls.__doc__
    description = extend_schema(
        operation_id=f"send_{cls.name}",
        summary=cls.label,
        parameters=[*HEADERS, *requests.query_parameters(cls)],
        request={"application/json": requests.body_schema(cls)},
        responses=responses.RESPONSES,
    )
    _add(viewset, cls, cls.name, post, description, detail=True)


def _add_bulk(viewset: ViewSet, cls: type[Command]) -> None:
    def post(view: GenericViewSet[Any], request: Request) -> Response:
        may_send(request, cls.name)
        return begin_over_all(cls, request)

    post.__doc__ = f"Start an operation over every client, or those selected. {cls.__doc__}"
    description = extend_schema(
        operation_id=cls.bulk_verb,
        summary=f"{cls.label} all",
        parameters=[IDEMPOTENCY_KEY],
        request={"application/json": bulk_schema(cls)},
        responses=operation_responses.RESPONSES,
    )
    _add(viewset, cls, cls.bulk_verb, post, description, detail=False)


def _add(
    viewset: ViewSet,
    cls: type[Command],
    name: str,
    post: Callable[..., Response],
    description: Callable[[Any], Any],
    *,
    detail: bool,
) -> None:
    if hasattr(viewset, name):
        raise TypeError(f"{cls.__name__}: {viewset.__name__} has an attribute {name!r} already")
    post.__name__ = post.__qualname__ = name
    # The description outside of @action: the other way round it is lost without a word.
    setattr(viewset, name, description(action(detail=detail, methods=["post"])(post)))


def _send(cls: type[Command], request: Request, client_id: str) -> Response:
    """Run the command and answer with the client's ack, or queue it where the caller prefers that."""
    wanted = requests.command_request(cls, request, client_id)
    if wants_async(request):
        return responses.queued(issue(wanted), request)
    return responses.finished(wait_for(wanted), request)
