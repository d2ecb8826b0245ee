"""The ticks of the scheduler process."""

from crypto.services import schedules as schedule
from crypto.services.desired import drift, enforcement
from crypto.services.fleet import presence
from crypto.services.ledger.sweep import sweep
from crypto.services.operations.rollout import advance_all
from workers.ticks import Tick

TICKS: tuple[Tick, ...] = (
    Tick("sweep", 1.0, sweep),
    Tick("conduct", 0.2, advance_all),
    Tick("schedule", 1.0, schedule.tick),
    Tick("bury", 5.0, presence.expire_dead_nodes),
    Tick("reconcile", 5.0, enforcement.reconcile),
    Tick("diverge", 5.0, enforcement.detect_divergence),
    Tick("send configurations", 0.5, drift.send_due),
    Tick("watch configurations", 30.0, drift.watch),
)
