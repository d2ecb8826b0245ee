"""What clients say lands, whenever it comes and whatever they lie."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crypto.commands import Failure
from crypto.models import Client, CommandLog, State, StreamNode
from crypto.services.ledger.cancel import cancel
from crypto.services.ledger.claim import claim
from crypto.services.ledger.settle import UNKNOWN, FailedAttempt, confirmed, record_acks, record_failures
from tests.support import ledger
from tests.support.ledger import ack, hurry, queued, row, sent, states

YEAR = timedelta(days=365)


@pytest.fixture
def timed_out(node: StreamNode) -> CommandLog:
    attempt = sent(ledger.client(node, capabilities=["restart"]), "restart")
    record_failures([FailedAttempt(attempt.id, attempt.claim, Failure.TIMEOUT, "no ack in time")])
    command = row(attempt)
    assert command.state == State.TIMED_OUT
    return command


@pytest.mark.parametrize(
    ("error", "state"), [("", State.SUCCEEDED), ("Boom", State.FAILED), ("Rejected", State.REJECTED)]
)
def test_a_late_ack_lands_a_year_later_and_both_times_are_kept(
    timed_out: CommandLog, error: str, state: State
) -> None:
    long_ago = timezone.now() - YEAR
    CommandLog.objects.filter(pk=timed_out.pk).update(finished_at=long_ago)
    assert record_acks([ack(timed_out, error, message="here I am")]) == [True]
    after = row(timed_out)
    assert (after.state, after.late, after.finished_at) == (state, True, long_ago)
    assert after.acked_at is not None
    assert after.acked_at > long_ago + YEAR
    assert after.reason.endswith("(late)")
    assert states(timed_out) == ["QUEUED", "SENT", "TIMED_OUT", state]


def test_an_ack_that_knows_nothing_does_not_touch_what_is_unknown_already(timed_out: CommandLog) -> None:
    assert record_acks([ack(timed_out, UNKNOWN)]) == [False]
    assert record_acks([ack(timed_out)]) == [True]


def test_a_late_ack_corrects_a_cancelation_in_doubt(present: Client) -> None:
    attempt = sent(present)
    cancel([attempt.id])
    record_failures([FailedAttempt(attempt.id, attempt.claim, Failure.TIMEOUT, "no ack")])
    assert row(attempt).state == State.CANCELED
    assert record_acks([ack(attempt)]) == [True]
    assert (row(attempt).state, row(attempt).late) == (State.SUCCEEDED, True)


def test_an_ack_of_an_earlier_attempt_ends_what_waits_for_the_next(present: Client) -> None:
    attempt = sent(present)
    record_failures([FailedAttempt(attempt.id, attempt.claim, Failure.TIMEOUT, "no ack")])
    assert record_acks([ack(attempt)]) == [True]
    hurry(attempt)
    assert claim([attempt.id]) == []
    assert (row(attempt).state, row(attempt).late) == (State.SUCCEEDED, False)


def test_an_ack_counts_once(present: Client) -> None:
    attempt = sent(present)
    good, bad = ack(attempt), ack(attempt, "Boom")
    assert record_acks([good, bad, ack(attempt)]) == [True, False, False]
    assert record_acks([bad, good]) == [False, False]
    assert states(attempt) == ["QUEUED", "SENT", "SUCCEEDED"]


def test_a_definite_ack_counts_before_one_that_knows_nothing(present: Client) -> None:
    attempt = sent(present, "ping")
    assert record_acks([ack(attempt, UNKNOWN), ack(attempt)]) == [False, True]


def test_the_ack_of_a_liar_does_not_hide_the_true_one(present: Client, absent: Client) -> None:
    attempt = sent(present)
    lie, truth = ack(attempt, "Boom", client_id=absent.id), ack(attempt)
    assert record_acks([lie, truth]) == [False, True]
    assert row(attempt).state == State.SUCCEEDED


def test_what_was_never_sent_cannot_be_acked(present: Client, absent: Client) -> None:
    waiting, canceled = queued(present), queued(present)
    unreachable = queued(absent)
    cancel([canceled.id])
    claim([unreachable.id])
    assert row(unreachable).attempt == 1
    assert record_acks([ack(waiting), ack(canceled), ack(unreachable)]) == [False, False, False]


def test_acks_carry_the_status_and_the_configuration_over_to_the_client(node: StreamNode) -> None:
    client = ledger.client(node, capabilities=["update_config"])
    command = queued(client, "update_config", {"document": "{}", "version": 7})
    (attempt,) = claim([command.id])
    record_acks([ack(attempt, status="ACTIVE")])
    client.refresh_from_db()
    assert (client.config_version, client.status) == (7, "ACTIVE")


def test_a_journal_is_told_what_it_need_not_present_again(timed_out: CommandLog, present: Client) -> None:
    attempt, waiting = sent(present), sent(present)
    record_acks([ack(attempt)])
    asked = [
        (present.id, str(attempt.id)),
        (present.id, str(waiting.id)),
        (timed_out.client_id, str(timed_out.id)),
        (present.id, str(timed_out.id)),
        (present.id, "unheard of"),
    ]
    assert confirmed(asked) == [True, False, False, True, True]


def test_acks_that_land_together_keep_what_each_said(present: Client) -> None:
    attempts = [sent(present) for _ in range(3)]
    now = timezone.now()
    acks = [
        ack(attempt, message=f"{number}: naïve 'quoted' \\ \n text", data=f'{{"n": {number}}}', at=at)
        for number, (attempt, at) in enumerate(zip(attempts, (now, None, now - YEAR), strict=True))
    ]
    assert record_acks(acks) == [True, True, True]
    for attempt, said in zip(attempts, acks, strict=True):
        after = row(attempt)
        assert (after.ack_message, after.ack_data, after.ack_at) == (said.message, said.data, said.at)
        assert (after.ack_error, after.ack_status, after.state) == ("", "", State.SUCCEEDED)
