"""What is measured: ours and the floor in turn, on one running installation."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench.row import Row
from bench.stack import Stack

ROWS = ("sync", "naive", "wire", "ledger", "queue", "connect")


@dataclass(frozen=True, slots=True)
class Plan:
    sizes: tuple[int, ...] = (1_000, 5_000, 10_000)
    naive: int = 5_000
    """The size at which the naive way is tried."""
    pinged: int = 1_000
    """Clients that are pinged and sent single commands."""
    callers: tuple[int, ...] = (1, 32, 256)
    seconds: float = 2.0
    queued: int = 4_000
    rounds: int = 5


QUICK = Plan(sizes=(200, 500, 1_000), naive=500, pinged=200, seconds=1.5, queued=1_000, rounds=2)


class Measuring:
    def __init__(self, stack: Stack, database: str, plan: Plan, wanted: frozenset[str]) -> None:
        self._stack, self._database, self._plan, self._wanted = stack, database, plan, wanted
        self._small: list[float] = []
        """Seconds a client of the smallest `sync_all`, round by round."""

    def rows(self) -> Iterator[Row]:
        for size in self._plan.sizes:
            singles = size == self._plan.pinged and self._wanted & {"wire", "ledger", "queue"}
            connect = size == self._plan.sizes[-1] and "connect" in self._wanted
            bulk = "sync" in self._wanted or ("naive" in self._wanted and size == self._plan.naive)
            if not (singles or connect or bulk):
                continue
            with self._stack.floor_fleet(size) as floor:
                with self._stack.bare_fleet(size) as bare:
                    if connect:
                        yield self._connect(size, "bare clients", bare, floor, at_least=0.5)
                        yield self._memory(size, bare, floor)
                    if singles:
                        yield from self._singles()
                    if bulk:
                        yield from self._bare_bulk(size)
                if connect or "sync" in self._wanted:
                    with self._stack.fleet(size) as agents:
                        if connect:
                            yield self._connect(size, "reference agents", agents, floor)
                        if "sync" in self._wanted:
                            yield self._bulk(size, "reference agents")

    def _connect(
        self,
        size: int,
        whom: str,
        ours: dict[str, float],
        floor: dict[str, float],
        at_least: float | None = None,
    ) -> Row:
        rate = [size / ours["seconds"]], [size / floor["seconds"]]
        return Row("connect", self._database, f"connect, {size:,} {whom}", "1/s", *rate, at_least=at_least)

    def _memory(self, size: int, ours: dict[str, float], floor: dict[str, float]) -> Row:
        each = [ours["bytes"] / 1024], [floor["bytes"] / 1024]
        return Row("connect", self._database, f"memory, {size:,} bare clients", "KiB", *each, at_most=2)

    def _bare_bulk(self, size: int) -> Iterator[Row]:
        """`sync_all` to the floor's own clients: what those cost is in both, so that the ratio is what we add."""
        largest = size == self._plan.sizes[-1]
        row = self._bulk(size, "bare clients", at_most=3 if largest else None)
        yield row
        yield from self._growth(size, row.ours)
        if "naive" in self._wanted and size == self._plan.naive:
            yield self._naive(size, row.ours)

    def _bulk(self, size: int, whom: str, at_most: float | None = None) -> Row:
        ours, floor = [], []
        self._sync(size)  # the first of its size warms up
        for _ in range(self._plan.rounds):
            told = self._stack.run("-m", "bench.floor.bulk", self._stack.floor_address, str(size))
            floor.append(told["seconds"])
            ours.append(self._sync(size))
        return Row("sync", self._database, f"sync_all, {size:,} {whom}", "s", ours, floor, at_most=at_most)

    def _sync(self, size: int) -> float:
        return float(self._stack.run("-m", "bench.ours.bulk", str(size))["seconds"])

    def _growth(self, size: int, seconds: list[float]) -> Iterator[Row]:
        each = [taken / size * 1e6 for taken in seconds]
        if size == self._plan.sizes[0]:
            self._small = each
        elif size == self._plan.sizes[-1]:
            name = f"sync_all, a client of {size:,} / of {self._plan.sizes[0]:,}"
            yield Row("sync", self._database, name, "us", [median(each)], [median(self._small)], at_most=1.2)

    def _naive(self, size: int, ours: list[float]) -> Row:
        """Rates, so that more is better; the floor is what we must be faster than."""
        seconds = self._stack.run("-m", "bench.ours.naive", str(size))["seconds"]
        name = f"sync_all / the naive way, {size:,} clients"
        return Row("naive", self._database, name, "1/s", [size / median(ours)], [size / seconds], at_least=15)

    def _singles(self) -> Iterator[Row]:
        for way, least in (("wire", (0.7, 1.5, 1.5)), ("ledger", (0.35, 0.35, 0.35))):
            if way in self._wanted:
                yield from self._pings(way, least)
        if "queue" in self._wanted:
            yield self._queue()

    def _pings(self, way: str, least: tuple[float, ...]) -> Iterator[Row]:
        plan = self._plan
        parameters = (str(plan.seconds), *map(str, plan.callers))
        ours, floor = [], []
        for _ in range(plan.rounds):
            bare = ("bench.floor.ping", self._stack.floor_address, str(plan.pinged))
            floor.append(self._stack.run("-m", *bare, *parameters)["pings"])
            ours.append(self._stack.run("-m", "bench.ours.ping", way, *parameters)["pings"])
        for n, callers in enumerate(plan.callers):

            def row(figure: str, unit: str, n: int = n, callers: int = callers, **target: float) -> Row:
                figures = [one[n][figure] for one in ours], [one[n][figure] for one in floor]
                return Row(
                    way, self._database, f"ping, {way}, {figure}, c={callers}", unit, *figures, **target
                )

            yield row("rate", "1/s", at_least=least[n])
            yield row("p50", "ms")
            if way == "ledger":
                yield row("p99", "ms", at_most=3)
            else:
                yield row("p99", "ms")

    def _queue(self) -> Row:
        groups = (str(self._stack.workers.pid), str(self._stack.scheduler.pid))
        rates: dict[str, list[float]] = {"nothing": [], "ping": []}
        for _ in range(self._plan.rounds):
            for way, figures in rates.items():
                told = self._stack.run("-m", "bench.ours.queue", way, str(self._plan.queued), *groups)
                figures.append(told["rate"])
        name = f"{self._plan.queued:,} single commands queued"
        return Row("queue", self._database, name, "1/s", rates["ping"], rates["nothing"], at_least=0.4)
