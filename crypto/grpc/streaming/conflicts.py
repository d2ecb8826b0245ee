"""Commands of one client that must not run at the same time."""

from collections import deque

from .delivery import Delivery, Stage


class ConflictLines:
    """One line per conflict class; who stands first is the one that runs."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[str, deque[Delivery]] = {}

    def join(self, delivery: Delivery) -> bool:
        """True: it may go at once. Else it is held."""
        name = delivery.order.conflict_class
        if not name:
            return True
        line = self._lines.get(name)
        if line is None:
            self._lines[name] = deque((delivery,))
            return True
        delivery.stage = Stage.HELD
        line.append(delivery)
        return False

    def leave(self, delivery: Delivery) -> Delivery | None:
        """A finished delivery goes; the one that may go next comes back, if this was the one that ran."""
        name = delivery.order.conflict_class
        if not name:
            return None
        line = self._lines[name]
        while line and line[0].stage is Stage.DONE:
            line.popleft()
        if not line:
            del self._lines[name]
        elif line[0].stage is Stage.HELD:
            line[0].stage = Stage.QUEUED
            return line[0]
        return None
