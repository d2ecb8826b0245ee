"""A number of callers, each with one call under way at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import cycle
from time import perf_counter
from typing import Any

from bench.figures import quantile

WARM = 0.5
"""Seconds at the beginning that do not count."""

Call = Callable[[str], Awaitable[object]]


async def ping(call: Call, client_ids: list[str], callers: int, seconds: float) -> dict[str, Any]:
    """Calls a second, and milliseconds a call."""
    ids = cycle(client_ids)
    begin = perf_counter() + WARM
    end = begin + seconds
    times: list[float] = []

    async def caller() -> None:
        while (began := perf_counter()) < end:
            await call(next(ids))
            if began >= begin:
                times.append(perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(callers)))
    took = perf_counter() - begin
    return {
        "callers": callers,
        "rate": len(times) / took,
        "p50": quantile(times, 0.50) * 1000,
        "p99": quantile(times, 0.99) * 1000,
    }
