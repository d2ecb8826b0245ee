"""How long to wait before connecting again."""

import random


class Backoff:
    """Exponential backoff with full jitter: each delay is uniform between 0 and a bound that doubles."""

    __slots__ = ("_base", "_cap", "_failures")

    def __init__(self, base: float = 1.0, cap: float = 30.0) -> None:
        self._base, self._cap, self._failures = base, cap, 0

    def delay(self) -> float:
        """Seconds to wait after one more failure."""
        bound = min(self._cap, self._base * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return random.uniform(0.0, bound)

    def last(self) -> float:
        """Seconds to wait after a failure that waiting does not mend."""
        return random.uniform(self._cap / 2, self._cap)

    def reset(self) -> None:
        self._failures = 0
