import logging

from crypto.agent.simulator.log_rate_limit import LogRateLimit


def passed(limit: LogRateLimit, records: int) -> int:
    record = logging.LogRecord("name", logging.WARNING, "path", 1, "message", None, None)
    return sum(bool(limit.filter(record)) for _ in range(records))


def test_only_the_first_records_of_a_period_pass() -> None:
    assert passed(LogRateLimit(records=2, seconds=60.0), 5) == 2


def test_every_period_starts_afresh() -> None:
    assert passed(LogRateLimit(records=1, seconds=0.0), 5) == 5
