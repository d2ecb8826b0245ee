import pytest

from crypto.api.common.fields import document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ('{"a": [1]}', {"a": [1]}),
        ("null", None),
        ("{", "{"),
        ('{"a": NaN}', '{"a": NaN}'),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_what_clients_wrote_can_always_be_answered(text: str, value: object) -> None:
    assert document(text) == value
