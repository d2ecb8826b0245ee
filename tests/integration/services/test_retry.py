"""What becomes of an attempt without a good end, by class of failure."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crypto.commands import Failure, RetryPolicy, registry
from crypto.commands.ping import Ping
from crypto.commands.retry import SAFE
from crypto.models import Client, CommandLog, Offline, State, StreamNode
from crypto.services.ledger.attempt import Attempt
from crypto.services.ledger.claim import claim
from crypto.services.ledger.settle import UNKNOWN, FailedAttempt, record_acks, record_failures
from tests.support import ledger
from tests.support.ledger import ack, hurry, queued, row, sent, states


class Persistent(Ping):
    retry = RetryPolicy(attempts=3, on=SAFE | {Failure.FAILED})


@pytest.fixture
def persistent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry, "ping", Persistent)


def missed(attempt: Attempt, failure: Failure) -> State:
    return record_failures([FailedAttempt(attempt.id, attempt.claim, failure, "it missed")])[attempt.id]


def next_attempt(attempt: Attempt) -> Attempt:
    hurry(attempt)
    (again,) = claim([attempt.id])
    return again


@pytest.mark.parametrize(
    ("failure", "end"),
    [
        (Failure.NO_ROUTE, State.NOT_CONNECTED),
        (Failure.NOT_HANDED_OVER, State.NOT_CONNECTED),
        (Failure.TIMEOUT, State.TIMED_OUT),
    ],
)
def test_a_miss_is_tried_again_until_the_attempts_are_spent(
    present: Client, failure: Failure, end: State
) -> None:
    attempt = sent(present)
    for number in (1, 2):
        assert row(attempt).attempt == number
        assert missed(attempt, failure) is State.QUEUED
        attempt = next_attempt(attempt)
    assert missed(attempt, failure) is end
    assert row(attempt).attempt == 3
    assert "(attempt 3 of 3)" in row(attempt).reason
    assert states(attempt) == ["QUEUED", *["SENT", "QUEUED"] * 2, "SENT", end]


def test_a_retry_waits_for_its_backoff_even_if_it_is_rung_for(present: Client) -> None:
    attempt, late = sent(present), timezone.now() + timedelta(seconds=30)
    missed(attempt, Failure.TIMEOUT)
    assert row(attempt).due_at == row(attempt).retry_at
    CommandLog.objects.filter(pk=attempt.id).update(retry_at=late, due_at=late)
    assert claim([attempt.id]) == []
    assert next_attempt(attempt).id == attempt.id


def test_what_may_have_been_seen_is_not_called_undelivered(present: Client) -> None:
    attempt = sent(present)
    missed(attempt, Failure.TIMEOUT)
    attempt = next_attempt(attempt)
    missed(attempt, Failure.NO_ROUTE)
    attempt = next_attempt(attempt)
    assert missed(attempt, Failure.NO_ROUTE) is State.TIMED_OUT


@pytest.mark.parametrize(
    ("capabilities", "again"), [(["restart"], State.TIMED_OUT), (["restart", "journal"], State.QUEUED)]
)
def test_what_is_not_idempotent_is_repeated_only_to_a_client_with_a_journal(
    node: StreamNode, capabilities: list[str], again: State
) -> None:
    attempt = sent(ledger.client(node, capabilities=capabilities), "restart")
    assert missed(attempt, Failure.TIMEOUT) is again


def test_what_was_not_handed_over_is_repeated_to_any_client(node: StreamNode) -> None:
    attempt = sent(ledger.client(node, capabilities=["restart"]), "restart")
    assert missed(attempt, Failure.NOT_HANDED_OVER) is State.QUEUED


def test_failed_is_an_end(present: Client) -> None:
    attempt = sent(present)
    assert record_acks([ack(attempt, "Boom", message="no")]) == [True]
    assert (row(attempt).state, row(attempt).reason) == (State.FAILED, "Boom: no")


@pytest.mark.usefixtures("persistent")
def test_failed_is_tried_again_where_the_policy_says_so(present: Client) -> None:
    attempt = sent(present)
    for _ in range(2):
        record_acks([ack(attempt, "Boom", at=timezone.now())])
        attempt = next_attempt(attempt)
    record_acks([ack(attempt, "Boom", at=timezone.now())])
    assert states(attempt) == ["QUEUED", "SENT", "QUEUED", "SENT", "QUEUED", "SENT", "FAILED"]


@pytest.mark.usefixtures("persistent")
def test_a_failure_told_twice_does_not_end_the_retry(present: Client) -> None:
    attempt = sent(present)
    failure = ack(attempt, "Boom", at=timezone.now())
    assert record_acks([failure]) == [True]
    assert record_acks([failure]) == [False]
    assert record_acks([ack(next_attempt(attempt))]) == [True]
    assert row(attempt).state == State.SUCCEEDED


@pytest.mark.usefixtures("persistent")
def test_rejected_is_never_tried_again(present: Client) -> None:
    attempt = sent(present)
    record_acks([ack(attempt, "Rejected")])
    assert row(attempt).state == State.REJECTED


def test_an_outcome_unknown_to_its_client_is_tried_again_if_that_does_no_harm(node: StreamNode) -> None:
    careful = ledger.client(node, capabilities=["journal", "restart"])
    ping, restart = sent(careful, "ping"), sent(careful, "restart")
    record_acks([ack(ping, UNKNOWN), ack(restart, UNKNOWN)])
    assert (row(ping).state, row(ping).seen) == (State.QUEUED, True)
    assert (row(restart).state, row(restart).seen) == (State.TIMED_OUT, True)
    assert record_acks([ack(restart)]) == [True], "should the client find out after all"


def test_nothing_is_tried_again_after_its_expiry(present: Client) -> None:
    attempt = sent(present, expires_in=timedelta(seconds=1))
    command = row(attempt)
    command.expires_at = timezone.now()
    command.save(update_fields=["expires_at"])
    assert missed(attempt, Failure.NOT_HANDED_OVER) is State.EXPIRED


def test_parameters_that_this_version_does_not_take_harm_nobody_else(present: Client) -> None:
    good, bad = queued(present), queued(present)
    type(bad).objects.filter(pk=bad.pk).update(params={"nonsense": 1})
    assert [attempt.id for attempt in claim([bad.id, good.id])] == [good.id]
    assert row(bad).state == State.REJECTED


def test_a_miss_of_an_attempt_that_is_over_changes_nothing(present: Client) -> None:
    first = sent(present)
    missed(first, Failure.TIMEOUT)
    second = next_attempt(first)
    stale, current = (FailedAttempt(f.id, f.claim, Failure.TIMEOUT, "missed") for f in (first, second))
    assert record_failures([stale]) == {}
    assert record_failures([current, stale]) == {second.id: State.QUEUED}


def test_offline_skip_is_not_tried_again(absent: Client) -> None:
    command = queued(absent, offline=Offline.SKIP)
    assert claim([command.id]) == []
    assert row(command).state == State.NOT_CONNECTED


def test_offline_fail_is_tried_again_and_ends(absent: Client) -> None:
    command = queued(absent, offline=Offline.FAIL)
    for _ in range(3):
        assert row(command).state == State.QUEUED
        hurry(command)
        claim([command.id])
    assert row(command).state == State.NOT_CONNECTED
