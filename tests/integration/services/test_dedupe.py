"""The same key is the same command."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from crypto.commands.ping import Ping
from crypto.exceptions import DedupeConflict, UnknownClient
from crypto.models import Client, CommandLog
from crypto.services.ledger.attempt import Attempt, Result
from crypto.services.ledger.issue import CommandRequest, issue
from crypto.services.ledger.issue_inline import insert
from tests.support import ledger

THREADS = 16


def request(to: Client, sequence: int = 1, key: str | None = "key") -> CommandRequest:
    return CommandRequest(client_id=to.id, command=Ping(sequence=sequence), dedupe_key=key)


def at_once(call: Callable[[int], Any]) -> list[Any]:
    """What each of many threads got from its call, or the exception it raised."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        start.wait()
        try:
            return call(number)
        except DedupeConflict as conflict:
            return conflict
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_the_same_key_and_parameters_are_the_same_row(absent: Client) -> None:
    first = issue(request(absent))
    assert issue(request(absent)).id == first.id
    (again,) = insert([request(absent)])
    assert isinstance(again, Result)
    assert again.id == first.id
    assert CommandLog.objects.count() == 1


@pytest.mark.parametrize("other", ["parameters", "client"])
def test_the_same_key_for_something_else_is_a_conflict(absent: Client, present: Client, other: str) -> None:
    issue(request(absent))
    different = request(absent, sequence=2) if other == "parameters" else request(present)
    with pytest.raises(DedupeConflict, match="was used for ping"):
        issue(different)
    (conflict,) = insert([different])
    assert isinstance(conflict, DedupeConflict)


def test_a_batch_holds_the_same_key_twice(present: Client) -> None:
    first, second, other = insert([request(present), request(present), request(present, 2)])
    assert isinstance(first, Attempt)
    assert isinstance(second, Result)
    assert first.id == second.id
    assert isinstance(other, DedupeConflict)


def test_without_a_key_nothing_is_the_same(absent: Client) -> None:
    assert issue(request(absent, key=None)).id != issue(request(absent, key=None)).id


def test_nobody_can_be_sent_nothing(db: None) -> None:
    with pytest.raises(UnknownClient):
        issue(request(Client()))


@pytest.mark.django_db(transaction=True)
def test_many_at_once_issue_one_row() -> None:
    client = ledger.client()
    rows = at_once(lambda _: issue(request(client)).id)
    assert len(set(rows)) == CommandLog.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_at_once_insert_one_row_a_key() -> None:
    client = ledger.client(ledger.node())
    keys = [f"key {number}" for number in range(20)]

    def insert_all(number: int) -> list[Any]:
        turned = keys[number:] + keys[:number]
        return insert([request(client, key=key) for key in turned])

    outcomes = [outcome for batch in at_once(insert_all) for outcome in batch]
    assert sum(isinstance(outcome, Attempt) for outcome in outcomes) == len(keys)
    assert len({outcome.id for outcome in outcomes}) == CommandLog.objects.count() == len(keys)


@pytest.mark.django_db(transaction=True)
def test_of_many_that_differ_one_wins() -> None:
    client = ledger.client()
    outcomes = at_once(lambda number: issue(request(client, sequence=number)))
    assert sum(isinstance(outcome, CommandLog) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, DedupeConflict) for outcome in outcomes) == THREADS - 1
