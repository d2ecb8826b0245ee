"""The ticks of the scheduler process: name, period in seconds, function."""

from crypto.services import schedules
from crypto.services.desired import drift, enforcement
from crypto.services.fleet import presence
from crypto.services.ledger.sweep import sweep
from crypto.services.operations.rollout import advance_all
from workers.ticks import Tick

TICKS: tuple[Tick, ...] = (
    Tick("sweep", 1.0, sweep),
    Tick("advance operations", 0.2, advance_all),
    Tick("run schedules", 1.0, schedules.tick),
    Tick("expire dead nodes", 5.0, presence.expire_dead_nodes),
    Tick("reconcile standing orders", 5.0, enforcement.reconcile),
    Tick("detect divergence", 5.0, enforcement.detect_divergence),
    Tick("send configurations", 0.5, drift.send_due),
    Tick("watch configurations", 30.0, drift.watch),
)
