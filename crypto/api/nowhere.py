from typing import Any, NoReturn

from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView


class Nowhere(APIView):
    """Addresses that nothing else has: also they are answered with the one body for errors."""

    schema = None
    permission_classes = (AllowAny,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        slash = "" if request.path.endswith("/") else "; the ones there are end with a slash"
        raise NotFound(f"There is nothing at this address{slash}.")
