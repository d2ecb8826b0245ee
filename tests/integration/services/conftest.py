from collections.abc import Iterator

import dramatiq
import pytest

from crypto.models import Client, StreamNode
from tests.support import ledger


@pytest.fixture
def node(db: None) -> StreamNode:
    """A live node that nobody listens for."""
    return ledger.node()


@pytest.fixture
def present(node: StreamNode) -> Client:
    return ledger.client(node)


@pytest.fixture
def absent(db: None) -> Client:
    return ledger.client()


@pytest.fixture
def broker() -> Iterator[dramatiq.Broker]:
    """Holds the messages that were rung; empty at first."""
    broker = dramatiq.get_broker()
    broker.flush_all()
    yield broker
    broker.flush_all()
