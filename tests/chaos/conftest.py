import os

import pytest


@pytest.fixture
def chaos_database(request: pytest.FixtureRequest) -> str | None:
    """Where the processes of a run keep their ledger: an own PostgreSQL database, or None for SQLite."""
    if os.environ.get("TEST_DATABASE", "sqlite") == "sqlite":
        return None
    url: str = request.getfixturevalue("database_url")
    return url
