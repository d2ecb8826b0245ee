"""The counts of an operation: always a query over its rows; no counter is kept."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Case, Count, When

from crypto.models import CommandLog, State
from crypto.models.cause import PARKED
from crypto.models.command_log import OPEN


@dataclass(frozen=True, slots=True)
class OperationCounts:
    by_state: Counter[str]
    """Rows by state; adds up to the operation's targets."""
    by_wave: dict[int, Counter[str]]
    """The same by wave. Wave 0: rows that were skipped at the start."""
    held: Counter[int]
    """Queued rows that are not released yet, by wave."""
    in_flight: int
    """Rows that are released and not ended, without parked ones."""
    in_flight_by_wave: Counter[int]
    """The same by wave."""

    @property
    def open(self) -> int:
        return sum(self.by_state[state] for state in OPEN)

    @property
    def ended(self) -> int:
        return self.by_state.total() - self.open


def count_rows(operation: UUID) -> OperationCounts:
    """As of now, in one query."""
    counts: Counter[str] = Counter()
    waves: dict[int, Counter[str]] = {}
    held: Counter[int] = Counter()
    in_flight: Counter[int] = Counter()
    parked = Case(When(state=State.QUEUED, cause__in=sorted(PARKED), then=True), default=False)
    groups = (
        CommandLog.objects.filter(operation=operation)
        .order_by()
        .values("state", "wave", "held", parked=parked)
    )
    for group in groups.annotate(rows=Count("pk")):
        state, wave, rows = group["state"], group["wave"], group["rows"]
        counts[state] += rows
        waves.setdefault(wave, Counter())[state] += rows
        if state == State.QUEUED and group["held"]:
            held[wave] += rows
        elif state in OPEN and not group["parked"]:
            in_flight[wave] += rows
    return OperationCounts(counts, waves, held, in_flight.total(), in_flight)
