from typing import Any

import pytest
from jsonschema import Draft202012Validator

from crypto.exceptions import InvalidParameters
from crypto.services.operations.policy import Policy


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({}, True),
        ({"window": 1, "rate": 0.01, "gate": 0, "offline": "skip", "timeout": 300, "expires_in": 1}, True),
        ({"waves": [5, "10%", "0.5%"], "abort": {"FAILED": "5%", "TIMED_OUT": 3}}, True),
        ({"window": 0}, False),
        ({"window": 1.5}, False),
        ({"rate": 0}, False),
        ({"gate": 1.01}, False),
        ({"waves": "5"}, False),
        ({"waves": ["5"]}, False),
        ({"waves": [5] * 51}, False),
        ({"abort": {"SUCCEEDED": 1}}, False),
        ({"abort": {"FAILED": 0}}, False),
        ({"offline": "wait"}, False),
        ({"timeout": 301}, False),
        ({"speed": 1}, False),
    ],
)
def test_the_schema_says_what_is_taken(values: dict[str, Any], fits: bool) -> None:
    assert Draft202012Validator(Policy.json_schema()).is_valid(values) is fits
    if fits:
        Policy.parse(values)
    else:
        with pytest.raises(InvalidParameters) as refused:
            Policy.parse(values)
        assert list(refused.value.errors) == [f"policy.{name}" for name in values]


def test_none_leaves_a_field_out() -> None:
    assert Policy.parse({"window": None, "offline": None}) == Policy()
