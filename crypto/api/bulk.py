"""One bulk verb = one POST action over every client, derived from the command's class like the single calls."""

from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from crypto.api.bodies import object_body
from crypto.api.operation_answers import RESPONSES
from crypto.api.operation_calls import OPTIONS, begin, bulk_arguments
from crypto.api.permissions import MaySend
from crypto.api.preferences import IDEMPOTENCY_KEY
from crypto.commands import Command, parameters, registry


def add_bulk_actions(viewset: type[GenericViewSet[Any]]) -> None:
    """Give the viewset one action for each bulk verb of the registry. Raises TypeError if a name is taken."""
    for cls in registry.values():
        if not cls.bulk_verb:
            continue
        if hasattr(viewset, cls.bulk_verb):
            raise TypeError(f"{cls.__name__}: {viewset.__name__} has an attribute {cls.bulk_verb!r} already")
        setattr(viewset, cls.bulk_verb, _action(cls))


def _action(cls: type[Command]) -> Any:
    def post(view: GenericViewSet[Any], request: Request) -> Response:
        return begin(request, *bulk_arguments(cls, request, object_body(request)))

    post.__name__ = post.__qualname__ = cls.bulk_verb
    post.__doc__ = f"Start an operation over every client, or those selected. {cls.__doc__}"
    permissions = [IsAuthenticated, partial(MaySend, cls)]
    made = action(detail=False, methods=["post"], permission_classes=permissions)(post)
    # Outside of @action: the other way round the schema is lost without a word.
    return extend_schema(
        operation_id=cls.bulk_verb,
        summary=f"{cls.label} all",
        parameters=[IDEMPOTENCY_KEY],
        request={"application/json": _json_schema(cls)},
        responses=RESPONSES,
    )(made)


def _json_schema(cls: type[Command]) -> dict[str, Any]:
    own = {name: {**p.schema, "description": p.help} for name, (_, p) in parameters.of(cls).items()}
    return {"type": "object", "properties": {**own, **OPTIONS}, "additionalProperties": False}
