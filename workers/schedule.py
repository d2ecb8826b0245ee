"""The ticks of the scheduler process."""

from crypto.services import drift, enforce, presence, schedule
from crypto.services.conduct import conduct
from crypto.services.sweep import sweep
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
