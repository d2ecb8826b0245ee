"""What the request's headers ask for."""

import re
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from crypto.exceptions import InvalidParameters

RESPOND_ASYNC = "respond-async"
KEY = re.compile(r"[\x21-\x7e]{1,150}")


def wants_async(request: Request) -> bool:
    """Whether `Prefer: respond-async` (RFC 7240) is among the preferences."""
    preferences = request.headers.get("Prefer", "").lower().split(",")
    return any(preference.split(";")[0].strip() == RESPOND_ASYNC for preference in preferences)


def idempotency_key(request: Request) -> str | None:
    """The key for the ledger: one user's keys are not another's. Raises InvalidParameters."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise InvalidParameters(
            {"Idempotency-Key": ["Must have between 1 and 150 visible ASCII characters."]}
        )
    return f"rest:{request.user.pk}:{key}"


def _header(name: str, description: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, **more)


IDEMPOTENCY_KEY = _header(
    "Idempotency-Key", "The same key again returns the command of then instead of issuing another."
)
HEADERS = (
    _header("Prefer", "`respond-async`: queue the command and answer 202 at once.", enum=[RESPOND_ASYNC]),
    IDEMPOTENCY_KEY,
    _header("Location", "Address of the command's record.", response=[202]),
    _header("Preference-Applied", "`respond-async` where it was asked for.", response=[202]),
)
"""Of every command, in OpenAPI's terms."""
