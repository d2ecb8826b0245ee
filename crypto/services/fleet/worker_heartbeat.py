"""Heartbeats of the workers: they show which lanes are worked on."""

import logging
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import DatabaseError, connections

from crypto.models import WorkerBeat, clock
from crypto.services.process import process_name

logger = logging.getLogger(__name__)

PERIOD = 5.0
"""Seconds between two heartbeats."""
SILENCE = timedelta(seconds=15)
"""A worker without a heartbeat for this long counts as gone."""
KEPT = timedelta(days=1)
"""Heartbeats of workers that are gone are deleted after this long."""


class Heartbeat:
    """Sent by a worker process, on a thread of its own."""

    def __init__(self, lanes: Iterable[str]) -> None:
        self._lanes = sorted(lanes)
        self._started_at = clock.now()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """The worker stops: it is gone as of now."""
        self._stop.set()
        self._thread.join()

    def _keep(self) -> None:
        while True:
            stopping = self._stop.is_set()
            try:
                self._write(clock.now() - (SILENCE if stopping else timedelta()))
            except DatabaseError as error:
                logger.warning("the heartbeat of this worker was not stored: %s", error)
            connections.close_all()
            if stopping:
                return
            self._stop.wait(PERIOD)

    def _write(self, seen_at: datetime) -> None:
        values = {"lanes": self._lanes, "started_at": self._started_at, "seen_at": seen_at}
        _, new = WorkerBeat.objects.update_or_create(process=process_name(), defaults=values)
        if new:
            WorkerBeat.objects.filter(seen_at__lt=clock.now() - KEPT).delete()


def last_heartbeat(lane: str) -> datetime | None:
    """The last heartbeat of a worker of this lane; None: none within a day."""
    return max((beat.seen_at for beat in WorkerBeat.objects.all() if lane in beat.lanes), default=None)
