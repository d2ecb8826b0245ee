"""Every error has one body: `{"error": {"code", "message", "fields"}}`, and beside it what belongs to it."""

import logging
from collections.abc import Mapping
from typing import Any, NoReturn

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from crypto.exceptions import (
    DedupeConflict,
    InvalidParameters,
    OperationConflict,
    SnapshotChanged,
    UnknownClient,
    UnknownCommand,
)

logger = logging.getLogger(__name__)

SAMPLE = 10
"""Ids shown of those that joined or left a preview's targets."""
INVALID = "Some of what was given does not fit."


class BadRequest(APIException):
    """What InvalidParameters becomes; `fields` maps each name at fault to its sentences."""

    status_code = status.HTTP_400_BAD_REQUEST

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        super().__init__(INVALID, "invalid")
        self.fields = dict(fields)


class Conflict(APIException):
    """Raised when the thing is in no state for what is asked of it."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class SnapshotMoved(Conflict):
    """What SnapshotChanged becomes. The difference stands beside the error: counts, and the first few ids."""

    def __init__(self, changed: SnapshotChanged) -> None:
        super().__init__(str(changed), "snapshot_changed")
        self.beside: dict[str, Any] = {}
        if changed.joined is not None and changed.left is not None:
            self.beside = {
                "joined": {"count": len(changed.joined), "sample": changed.joined[:SAMPLE]},
                "left": {"count": len(changed.left), "sample": changed.left[:SAMPLE]},
            }


class TooLarge(APIException):
    """What RequestDataTooBig becomes."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is larger than this server reads."
    default_code = "too_large"


class Unforeseen(APIException):
    """What every other exception becomes: 500, with its traceback in the log."""

    default_detail = "Something went wrong here; the server's log says what."
    default_code = "unforeseen"


def body(code: str, message: str, fields: Mapping[str, Any] | None = None, **beside: Any) -> dict[str, Any]:
    """The body of an answer that is an error, with what stands `beside` it."""
    return {"error": {"code": code, "message": message, "fields": dict(fields or {})}, **beside}


def answer(error: Exception, context: dict[str, Any]) -> Response:
    """The settings' EXCEPTION_HANDLER."""
    known = _translated(error)
    if isinstance(known, Unforeseen):
        logger.error("%s failed", getattr(context.get("request"), "path", "a request"), exc_info=error)
    set_rollback()
    return Response(
        body(_code(known), _message(known), _fields(known), **getattr(known, "beside", {})),
        status=known.status_code,
        headers=_headers(known),
    )


class NotFoundView(APIView):
    """Addresses that nothing else has: also they are answered with the one body for errors."""

    schema = None
    permission_classes = (AllowAny,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        slash = "" if request.path.endswith("/") else "; the ones there are end with a slash"
        raise NotFound(f"There is nothing at this address{slash}.")


def _translated(error: Exception) -> APIException:
    match error:
        case APIException():
            return error
        case InvalidParameters():
            return BadRequest(error.errors)
        case UnknownClient() | Http404():
            return NotFound(str(error) if isinstance(error, UnknownClient) else None)
        case PermissionDenied():
            return Forbidden()
        case UnknownCommand():
            return BadRequest({"command": [f"{error}."]})
        case DedupeConflict() | OperationConflict():
            return Conflict(str(error))
        case SnapshotChanged():
            return SnapshotMoved(error)
        case RequestDataTooBig():
            return TooLarge()
    return Unforeseen()


def _code(error: APIException) -> str:
    codes = error.get_codes()
    return codes if isinstance(codes, str) else "invalid"


def _message(error: APIException) -> str:
    return str(error.detail) if isinstance(error.detail, str) else INVALID


def _fields(error: APIException) -> dict[str, Any]:
    if isinstance(error, BadRequest):
        return error.fields
    return dict(error.detail) if isinstance(error.detail, dict) else {}


def _headers(error: APIException) -> dict[str, str]:
    sources = {"WWW-Authenticate": "auth_header", "Retry-After": "wait"}
    return {
        name: str(getattr(error, source)) for name, source in sources.items() if getattr(error, source, None)
    }
