import random

import pytest

from crypto.commands import Failure, RetryPolicy
from crypto.commands.retry import SAFE


def test_what_a_client_reported_is_not_tried_again_unless_the_policy_says_so() -> None:
    assert not RetryPolicy().retries(Failure.FAILED, 1)
    assert RetryPolicy(on=SAFE | {Failure.FAILED}).retries(Failure.FAILED, 1)


@pytest.mark.parametrize("failure", sorted(SAFE))
def test_the_attempts_are_limited(failure: Failure) -> None:
    policy = RetryPolicy(attempts=3)
    assert [policy.retries(failure, attempt) for attempt in (1, 2, 3, 4)] == [True, True, False, False]
    assert not policy.retries(failure, 1, limit=1)


def test_the_backoff_doubles_with_full_jitter_up_to_its_cap() -> None:
    policy, jitter = RetryPolicy(base=1.0, cap=60.0), random.Random(1)
    for attempt, bound in [(1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (10_000, 60.0)]:
        delays = [policy.delay(attempt, jitter) for _ in range(500)]
        assert 0.0 <= min(delays) < 0.05 * bound
        assert 0.95 * bound < max(delays) <= bound
        assert 0.4 * bound < sum(delays) / len(delays) < 0.6 * bound
