"""Does to a world what the schedule says, and undoes it when its time is over."""

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import redis

from tests.chaos.faults import Fault
from tests.chaos.parts import Part
from tests.chaos.world import World

AHEAD = {"CHAOS_CLOCK": "70"}
START = 5.0
"""Seconds that a worker takes to begin, on top of the time it is to work with its wrong clock."""
REVIVE = 1.0
"""Seconds after which a part that ended by itself is started again."""


class Injector:
    def __init__(self, world: World, say: Callable[[str], None]) -> None:
        self._world, self._say = world, say
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._reviving: set[str] = set()
        self.done: Counter[str] = Counter()
        self.ended_by_themselves: list[str] = []

    def run(self, faults: list[Fault], seconds: float) -> None:
        """Returns after `seconds`, or later when everything that was broken is mended."""
        begin = time.monotonic()
        for fault in faults:
            self._later(fault.at, partial(self._do, fault))
        while time.monotonic() < begin + seconds or self._agenda:
            self.step()
            time.sleep(0.05)

    def step(self) -> None:
        """What is due by now."""
        while self._agenda and self._agenda[0][0] <= time.monotonic():
            heapq.heappop(self._agenda)[2]()
        for part in self._world.parts:
            if part.wanted and not part.alive and part.name not in self._reviving:
                self._ended_by_itself(part)

    def _do(self, fault: Fault) -> None:
        subject, _, what = fault.kind.partition("_")
        on_part = {"killed": self._kill, "frozen": self._freeze, "ahead": self._set_ahead}
        if what in on_part and subject != "redis":
            free = [part for part in self._parts(subject) if part.free]
            if not free:
                return
            part = free[fault.lot % len(free)]
            self._say(f"{fault.kind}: {part.name} for {fault.seconds:.1f} s")
            on_part[what](part, fault)
        else:
            self._say(f"{fault.kind} for {fault.seconds:.1f} s")
            self._on_connections(fault)
        self.done[fault.kind] += 1

    def _parts(self, subject: str) -> list[Part]:
        world = self._world
        return {
            "worker": world.workers,
            "clock": world.workers,
            "node": world.nodes,
            "scheduler": world.schedulers,
            "agents": world.fleets,
            "commander": [world.commander],
        }[subject]

    def _kill(self, part: Part, fault: Fault) -> None:
        part.kill()
        self._later(fault.seconds, part.start)

    def _freeze(self, part: Part, fault: Fault) -> None:
        part.freeze()
        self._later(fault.seconds, part.thaw)

    def _set_ahead(self, part: Part, fault: Fault) -> None:
        part.kill()
        part.start(**AHEAD)
        self._later(fault.seconds + START, partial(self._set_right, part))

    def _set_right(self, part: Part) -> None:
        if part.frozen:
            self._later(1.0, partial(self._set_right, part))
            return
        part.kill()
        part.start()

    def _on_connections(self, fault: Fault) -> None:
        world = self._world
        agents = world.agent_proxies[fault.lot % len(world.agent_proxies)]
        control = world.control_proxies[fault.lot % len(world.control_proxies)]
        acts: dict[str, Callable[[], object]] = {
            "agents_cut": agents.cut,
            "agents_cut_mid_ack": partial(agents.cut_within, "up"),
            "control_cut": control.cut,
            "control_cut_mid_ack": partial(control.cut_within, "down"),
            "redis_killed": partial(self._kill, world.redis, fault),
            "redis_emptied": self._empty_redis,
            "redis_full": partial(self._fill_redis, fault.seconds),
            "rung_twice": partial(world.observer.ask, "ring_again"),
        }
        acts[fault.kind]()

    def _empty_redis(self) -> None:
        with suppress(redis.RedisError):
            self._world.redis_client().flushall()

    def _fill_redis(self, seconds: float) -> None:
        self._limit_redis("1mb")
        self._later(seconds, partial(self._limit_redis, "0"))

    def _limit_redis(self, limit: str) -> None:
        with suppress(redis.RedisError):
            self._world.redis_client().config_set("maxmemory", limit)

    def _ended_by_itself(self, part: Part) -> None:
        assert part.process is not None
        what = f"{part.name} ended by itself with {part.process.popen.returncode}"
        self.ended_by_themselves.append(what)
        self._say(what)
        self._reviving.add(part.name)
        self._later(REVIVE, partial(self._revive, part))

    def _revive(self, part: Part) -> None:
        self._reviving.discard(part.name)
        part.start()

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (time.monotonic() + seconds, next(self._order), work))
