from typing import Any

from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

from crypto.exceptions import InvalidParameters


class Pages(LimitOffsetPagination):
    """`?limit=` and `?offset=`; a value out of bounds is refused rather than replaced."""

    default_limit = 100
    max_limit = 1_000
    max_offset = 2**31 - 1

    def get_limit(self, request: Request) -> int:
        return self._bounded(request, self.limit_query_param, self.default_limit, 1, self.max_limit)

    def get_offset(self, request: Request) -> int:
        return self._bounded(request, self.offset_query_param, 0, 0, self.max_offset)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        bounds = {
            self.limit_query_param: {"minimum": 1, "maximum": self.max_limit, "default": self.default_limit},
            self.offset_query_param: {"minimum": 0, "maximum": self.max_offset, "default": 0},
        }
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            parameter["schema"] |= bounds[parameter["name"]]
        return parameters

    def _bounded(self, request: Request, name: str, default: int, low: int, high: int) -> int:
        text = request.query_params.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and low <= int(text) <= high):
            raise InvalidParameters({name: [f"Must be a whole number between {low} and {high}."]})
        return int(text)
