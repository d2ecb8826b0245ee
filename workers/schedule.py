"""The ticks of the scheduler process."""

from crypto.services import schedules as schedule
from crypto.services.desired import drift
from crypto.services.desired import enforcement as enforce
from crypto.services.fleet import presence
from crypto.services.ledger.sweep import sweep
from crypto.services.operations.rollout import conduct
from workers.ticks import Tick

TICKS: tuple[Tick, ...] = (
    Tick("sweep", 1.0, sweep),
    Tick("conduct", 0.2, conduct),
    Tick("schedule", 1.0, schedule.tick),
    Tick("bury", 5.0, presence.bury),
    Tick("reconcile", 5.0, enforce.reconcile),
    Tick("diverge", 5.0, enforce.diverge),
    Tick("send configurations", 0.5, drift.send_due),
    Tick("watch configurations", 30.0, drift.watch),
)
