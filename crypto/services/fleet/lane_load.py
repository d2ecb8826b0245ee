"""How busy each lane is, for operators and autoscaling.

Counted in the ledger: the length of a queue in Redis does not include what workers have prefetched or sent.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from crypto.commands import Lane
from crypto.models import Cause, CommandLog, Offline, State, WorkerBeat, clock
from crypto.models.stream_node import alive
from crypto.services.fleet.worker_heartbeat import SILENCE


@dataclass(frozen=True, slots=True)
class LaneLoad:
    """The work of a lane. Rows that wait for their client, a standing order, their wave or a retry are not counted."""

    lane: str
    waiting: int
    """Rows that a worker could claim now."""
    in_flight: int
    """Rows that were sent and have not ended."""
    oldest_seconds: float
    """Age of the oldest row that waits; 0 if none does."""
    workers: int
    """Live worker processes that take from this lane."""


def lane_loads() -> list[LaneLoad]:
    """For every lane, by one pass over the open rows."""
    now = clock.now()
    workers = [lane for beat in WorkerBeat.objects.filter(seen_at__gt=now - SILENCE) for lane in beat.lanes]
    counted = {lane: (waiting, sent, oldest) for lane, waiting, sent, oldest in _counts(now)}
    loads = []
    for lane in Lane:
        waiting, sent, oldest = counted.get(lane, (0, 0, None))
        age = (now - oldest).total_seconds() if oldest is not None else 0.0
        loads.append(LaneLoad(lane.value, waiting, sent, max(age, 0.0), workers.count(lane.value)))
    return loads


def _counts(now: datetime) -> list[tuple[str, int, int, datetime | None]]:
    away = Q(offline=Offline.QUEUE) & ~Q(alive(now, "client__node__"))
    due = Q(retry_at=None) | Q(retry_at__lte=now)
    claimable = Q(state=State.QUEUED, held=False) & due & ~away & ~Q(cause=Cause.STANDING_ORDER)
    rows = CommandLog.objects.open().values("lane")
    return list(
        rows.annotate(
            waiting=Count("pk", filter=claimable),
            sent=Count("pk", filter=Q(state=State.SENT)),
            oldest=Min("created_at", filter=claimable),
        ).values_list("lane", "waiting", "sent", "oldest")
    )
