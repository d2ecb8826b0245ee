"""The lease of a streaming node. While it lasts, the clients with a session on the node count as connected."""

import logging
import threading
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import DatabaseError, connections

from crypto.conf import conf
from crypto.models import Client, StreamNode, clock
from crypto.services.process import process_name

logger = logging.getLogger(__name__)

RENEWALS = 3
"""A lease is renewed this often while it lasts: two renewals may fail before the clients count as gone."""


class NodeLease:
    """Taken by a process that serves streams, renewed on a thread of its own."""

    def __init__(self) -> None:
        self.id: UUID = uuid4()
        self._lease = timedelta(seconds=conf.node_lease)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="node-lease", daemon=True)

    def start(self, address: str) -> None:
        """Take the lease, and end that of an earlier node with the same address: that node cannot be alive."""
        now = clock.now()
        StreamNode.objects.filter(address=address, lease_until__gt=now).update(lease_until=now)
        StreamNode.objects.create(
            id=self.id, address=address, process=process_name(), started_at=now, lease_until=now + self._lease
        )
        self._thread.start()
        connections.close_all()

    def end(self) -> None:
        """End the lease: the clients are disconnected as of now."""
        self._stop.set()
        self._thread.join()
        now = clock.now()
        Client.objects.filter(node=self.id).update(node=None, disconnected_at=now)
        StreamNode.objects.filter(pk=self.id).update(lease_until=now)
        connections.close_all()

    def _keep(self) -> None:
        while not self._stop.wait(self._lease.total_seconds() / RENEWALS):
            try:
                StreamNode.objects.filter(pk=self.id).update(lease_until=clock.now() + self._lease)
            except DatabaseError as error:
                logger.warning("the lease of this node could not be renewed: %s", error)
                connections.close_all()
        connections.close_all()
