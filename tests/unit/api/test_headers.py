import pytest
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from crypto.api.common.headers import wants_async


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, False),
        ("", False),
        ("respond-async", True),
        ("Respond-Async", True),
        ("wait=10, respond-async", True),
        ("respond-async; foo=bar", True),
        ("respond-asynchronously", False),
        ("return=minimal", False),
    ],
)
def test_prefer_is_read_as_rfc_7240_says(header: str | None, wanted: bool) -> None:
    headers = {} if header is None else {"Prefer": header}
    assert wants_async(Request(APIRequestFactory().post("/", headers=headers))) is wanted
