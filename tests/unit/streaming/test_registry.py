from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from crypto.grpc.streaming import (
    clear_registry,
    get_streaming_service,
    is_registered,
    list_streaming_services,
    register_streaming_service,
    unregister_streaming_service,
)
from tests.bots.grpc.services.streams import BotStreams


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    clear_registry()
    yield
    clear_registry()


def test_register_find_and_remove() -> None:
    service = BotStreams()
    assert get_streaming_service("bots") is None
    register_streaming_service("bots", service)
    register_streaming_service("bots", service)
    assert get_streaming_service("bots") is service
    assert (is_registered("bots"), list_streaming_services()) == (True, ["bots"])
    assert unregister_streaming_service("bots")
    assert not unregister_streaming_service("bots")
    assert list_streaming_services() == []


def test_a_name_belongs_to_one_service() -> None:
    register_streaming_service("bots", BotStreams())
    with pytest.raises(ValueError, match="registered already"):
        register_streaming_service("bots", BotStreams())


def test_of_many_threads_one_wins() -> None:
    def claim(n: int) -> bool:
        try:
            register_streaming_service("bots", BotStreams())
        except ValueError:
            return False
        return True

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(claim, range(100))) == 1
