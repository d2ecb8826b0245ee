from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.ids import canonical_id, read_uuid

SPELLINGS = [
    "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
    "0A1B2C3D-4E5F-4A6B-8C7D-9E0F1A2B3C4D",
    "0a1b2c3d4e5f4a6b8c7d9e0f1a2b3c4d",
    "0A1B2C3D4E5F4A6B8C7D9E0F1A2B3C4D",
    "{0A1B2C3D-4E5F-4A6B-8C7D-9E0F1A2B3C4D}",
    "(0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d)",
    "urn:uuid:0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
    "URN:UUID:0A1B2C3D-4E5F-4A6B-8C7D-9E0F1A2B3C4D",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_every_spelling_is_the_same_id(text: str) -> None:
    assert canonical_id(text) == SPELLINGS[0]
    assert read_uuid(text) == UUID(SPELLINGS[0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "order-66",
        "0a1b2c3d4e5f4a6b8c7d9e0f1a2b3c4",  # one digit too few
        "0a1b2c3d4e5f4a6b8c7d9e0f1a2b3c_4",  # Python reads this as a number
        "٠a1b2c3d4e5f4a6b8c7d9e0f1a2b3c4d",  # and this digit too
        "0a-1b2c3d4e5f-4a6b8c7d-9e0f1a2b-3c4d",
        "{0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        " 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert canonical_id(text) == text
    assert read_uuid(text) is None


@given(st.text(max_size=50) | st.uuids().map(str) | st.uuids().map(lambda uuid: uuid.hex.upper()))
def test_a_canonical_id_is_its_own_canonical_id(text: str) -> None:
    assert canonical_id(canonical_id(text)) == canonical_id(text)


@given(st.uuids())
def test_the_canonical_spelling_is_pythons(uuid: UUID) -> None:
    assert canonical_id(str(uuid)) == canonical_id(uuid.hex.upper()) == str(uuid)
