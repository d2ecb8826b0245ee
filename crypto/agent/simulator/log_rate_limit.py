"""A log that thousands of clients cannot flood."""

import logging
import time


class LogRateLimit(logging.Filter):
    """Lets the first few records of each period through and drops the rest."""

    def __init__(self, records: int, seconds: float) -> None:
        super().__init__()
        self._records, self._seconds = records, seconds
        self._left, self._ends = 0, 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now >= self._ends:
            self._left, self._ends = self._records, now + self._seconds
        self._left -= 1
        return self._left >= 0
