from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.delivery.transport import courier
from tests.support.live import StreamingServer


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[StreamingServer]:
    """A streaming server in a process of its own, on the test's database."""
    with StreamingServer(tmp_path) as running:
        running.wait()
        yield running
        running.stop()


@pytest.fixture
def here() -> Iterator[None]:
    """This process as a caller: its dispatcher and courier end with the test."""
    yield
    dispatcher().close(5)
    courier().close()
    dispatcher.cache_clear()
    courier.cache_clear()
