"""Reading the body of a request: JSON, within the server's limits."""

import json
from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from crypto.commands.parameters import Parameter, checked
from crypto.exceptions import InvalidParameters


class JSONParser(parsers.JSONParser):
    """JSON that can be stored and sent on: no NaN, no halves of surrogate pairs, no nesting without end."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Raises ParseError."""
        try:
            data = super().parse(stream, media_type, parser_context)
            json.dumps(data, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        except UnicodeEncodeError:
            raise ParseError("JSON parse error - a lone surrogate is no character") from None
        return data


def object_body(request: Request) -> dict[str, object]:
    """The parsed body, `{}` for none. Raises InvalidParameters if it is not an object, RequestDataTooBig."""
    plain = request._request
    # DRF reads the stream past Django's limit, and takes a body without Content-Length for an empty one.
    plain.META["CONTENT_LENGTH"] = str(len(plain.body))
    if not isinstance(request.data, dict):
        raise InvalidParameters({"body": ["Must be a JSON object."]})
    return dict(request.data)


def body_fields(request: Request, known: Mapping[str, Parameter], *required: str) -> dict[str, Any]:
    """The fields of the body, checked. Raises InvalidParameters, which names everything at fault."""
    values = object_body(request)
    missing = {name: ["Is missing."] for name in required if name not in values}
    try:
        good = checked(known, values)
    except InvalidParameters as invalid:
        raise InvalidParameters(missing | invalid.errors) from None
    if missing:
        raise InvalidParameters(missing)
    return good


def only(values: Mapping[str, object], names: Iterable[str]) -> None:
    """Raises InvalidParameters for what else there is: serializers read over it."""
    if unknown := sorted(values.keys() - set(names)):
        raise InvalidParameters({name: ["Unknown field."] for name in unknown})


def no_fields(values: Mapping[str, object]) -> None:
    """Of a query string or a body that has nothing to say. Raises InvalidParameters for whatever there is."""
    checked({}, values)
