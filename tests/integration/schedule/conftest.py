from datetime import UTC, datetime

import pytest


@pytest.fixture
def now() -> datetime:
    """A Monday in summer, later than any real now."""
    return datetime(2031, 6, 2, 12, 0, 30, tzinfo=UTC)
