import pytest
from django.utils import timezone

from crypto.commands import Failure
from crypto.models import Client, CommandLog, State
from crypto.services.ledger.cancel import cancel
from crypto.services.ledger.claim import claim
from crypto.services.ledger.settle import FailedAttempt, record_acks, record_failures
from crypto.services.ledger.sweep import sweep
from tests.support.ledger import ack, hurry, queued, row, sent, states


def test_what_waits_ends_at_once(present: Client) -> None:
    command = queued(present)
    assert cancel([command.id], "ada").ended == [command.id]
    after = row(command)
    assert (after.state, after.reason) == (State.CANCELED, "canceled by ada")
    assert claim([command.id]) == []


def test_what_was_perhaps_seen_says_so(present: Client) -> None:
    attempt = sent(present)
    record_failures([FailedAttempt(attempt.id, attempt.claim, Failure.TIMEOUT, "no ack")])
    assert cancel([attempt.id]).ended == [attempt.id]
    assert row(attempt).reason == "canceled; the outcome of an earlier attempt is unknown"


def test_an_ack_in_time_wins(present: Client) -> None:
    attempt = sent(present)
    assert cancel([attempt.id]).requested == [attempt.id]
    assert record_acks([ack(attempt)]) == [True]
    assert states(attempt) == ["QUEUED", "SENT", "SUCCEEDED"]
    assert not row(attempt).late


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(Failure.TIMEOUT, "no ack came, outcome unknown"), (Failure.NOT_HANDED_OVER, "never sent")],
)
def test_without_an_ack_it_ends_canceled_and_says_what_is_known(
    present: Client, failure: Failure, reason: str
) -> None:
    attempt = sent(present)
    cancel([attempt.id])
    assert record_failures([FailedAttempt(attempt.id, attempt.claim, failure, "missed")]) == {
        attempt.id: State.CANCELED
    }
    assert reason in row(attempt).reason


def test_the_lease_ends_it_if_nobody_else_does(present: Client) -> None:
    attempt = sent(present)
    cancel([attempt.id])
    hurry(attempt)
    sweep()
    assert states(attempt) == ["QUEUED", "SENT", "CANCELED"]


def test_asking_again_changes_nothing(present: Client) -> None:
    attempt = sent(present)
    cancel([attempt.id], "ada")
    asked_at = row(attempt).cancel_requested_at
    cancel([attempt.id], "bob")
    assert row(attempt).cancel_requested_at == asked_at
    assert "ada" in row(attempt).reason


def test_what_is_over_stays_as_it_is(present: Client) -> None:
    attempt = sent(present)
    record_acks([ack(attempt)])
    canceled = cancel([attempt.id])
    assert (canceled.over, canceled.ended, canceled.requested) == ([attempt.id], [], [])
    assert row(attempt).state == State.SUCCEEDED


def test_many_are_canceled_with_few_statements(
    present: Client, django_assert_max_num_queries: object
) -> None:
    rows = [queued(present) for _ in range(30)] + [row(sent(present)) for _ in range(30)]
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        canceled = cancel([command.id for command in rows])
    assert (len(canceled.ended), len(canceled.requested)) == (30, 30)
    assert not CommandLog.objects.filter(cancel_requested_at=None).exists()
    assert CommandLog.objects.filter(finished_at__lte=timezone.now()).count() == 30
