from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
from django.dispatch import Signal

from crypto.models import StreamNode
from tests.support import ledger


@pytest.fixture
def node(db: None) -> StreamNode:
    """A live node that nobody listens for."""
    return ledger.node()


@pytest.fixture(autouse=True)
def broker() -> Iterator[dramatiq.Broker]:
    broker = dramatiq.get_broker()
    broker.flush_all()
    yield broker
    broker.flush_all()


@pytest.fixture
def heard() -> Iterator[Callable[[Signal], list[dict[str, Any]]]]:
    """Listens to a signal: what it was sent with, each time."""
    listening: list[tuple[Signal, Any]] = []

    def listen(signal: Signal) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def receiver(**kwargs: Any) -> None:
            calls.append({k: v for k, v in kwargs.items() if k not in ("signal", "sender")})

        signal.connect(receiver, weak=False)
        listening.append((signal, receiver))
        return calls

    yield listen
    for signal, receiver in listening:
        signal.disconnect(receiver)
