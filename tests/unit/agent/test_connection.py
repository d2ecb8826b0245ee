from crypto.agent.connection import Backoff


def test_delays_are_spread_under_a_bound_that_doubles_to_the_cap() -> None:
    runs = []
    for _ in range(300):
        backoff = Backoff(base=1.0, cap=8.0)
        runs.append([backoff.delay() for _ in range(8)])
    for n, bound in enumerate([1, 2, 4, 8, 8, 8, 8, 8]):
        delays = [run[n] for run in runs]
        assert 0.9 * bound < max(delays) <= bound
        assert min(delays) < 0.1 * bound


def test_a_success_starts_over() -> None:
    backoff = Backoff(base=1.0, cap=1000.0)
    for _ in range(20):
        backoff.delay()
    backoff.reset()
    assert backoff.delay() <= 1.0
