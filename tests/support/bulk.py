"""What tests of operations share."""

from collections.abc import Iterable
from typing import Any

from crypto.models import Client, CommandLog, Operation, OperationState, State, StreamNode
from crypto.services.ledger.attempt import Attempt
from crypto.services.ledger.claim import claim
from crypto.services.ledger.issue import command
from crypto.services.ledger.settle import record_acks
from crypto.services.operations.counts import OperationCounts, count_rows
from crypto.services.operations.policy import Policy
from crypto.services.operations.start import OperationRequest, start
from tests.support import ledger


def clients(count: int, on: StreamNode | None, **fields: Any) -> list[Client]:
    return [ledger.client(on, name=f"client {at}", **fields) for at in range(count)]


def started(name: str = "ping", selector: Any = None, **policy: Any) -> Operation:
    wanted = {} if selector is None else {"selector": selector}
    return start(OperationRequest(command=command(name, {}), policy=Policy.parse(policy), **wanted))


def rows(of: Operation, *states: State) -> list[CommandLog]:
    found = CommandLog.objects.filter(operation=of.pk).order_by("created_at", "id")
    return list(found.filter(state__in=states) if states else found)


def claimed(of: Operation) -> list[Attempt]:
    """What a worker gets that was rung for every row of the operation."""
    return claim([row.id for row in rows(of)])


def answered(attempts: Iterable[Attempt], error: str = "") -> None:
    record_acks([ledger.ack(attempt, error) for attempt in attempts])


def state(of: Operation) -> str:
    return Operation.objects.get(pk=of.pk).state


def counts(of: Operation) -> dict[str, int]:
    return {name: number for name, number in count_rows(of.pk).by_state.items() if number}


def check(of: Operation) -> OperationCounts:
    """What holds of every operation at every instant."""
    after, totals = Operation.objects.get(pk=of.pk), count_rows(of.pk)
    assert totals.by_state.total() == after.targets == sum(w.total() for w in totals.by_wave.values())
    if not after.under_way:
        assert totals.open == 0
        assert after.finished_at is not None
    if after.state == OperationState.COMPLETED:
        assert set(totals.by_state) <= {State.SUCCEEDED}
    if after.state == OperationState.STOPPING:
        assert totals.by_state[State.QUEUED] == 0
    for row in rows(of):
        assert row.is_open or row.reason != "", row.history
        assert not (row.state == State.SENT and row.attempt == 0)
    return totals
