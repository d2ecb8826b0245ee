from collections.abc import Mapping

from rest_framework.request import Request

from crypto.api.errors import BadRequest


def body(request: Request) -> object:
    """The parsed body, `{}` for none. Raises RequestDataTooBig."""
    plain = request._request
    # DRF reads the stream past Django's limit, and takes a body without Content-Length for an empty one.
    plain.META["CONTENT_LENGTH"] = str(len(plain.body))
    return request.data


def object_body(request: Request) -> dict[str, object]:
    """The parsed body, which must be a JSON object. Raises BadRequest, RequestDataTooBig."""
    given = body(request)
    if not isinstance(given, dict):
        raise BadRequest({"body": ["Must be a JSON object."]})
    return dict(given)


def only(values: Mapping[str, object], names: set[str]) -> None:
    """Raises BadRequest for what else there is."""
    if unknown := sorted(values.keys() - names):
        raise BadRequest({str(name): ["Unknown field."] for name in unknown})
