from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.operations.plant import Plant
from tests.support.services import RedisServer


@pytest.fixture
def plant(transactional_db: None, redis_server: RedisServer, tmp_path: Path) -> Iterator[Plant]:
    with Plant(redis_server, tmp_path) as plant:
        yield plant
