import uuid
from datetime import datetime
from typing import Self

from django.db import models

from crypto.models import clock
from crypto.models.standing_order import StandingOrder
from crypto.models.stream_node import StreamNode, alive


class ClientStatus(models.TextChoices):
    """The status that a client reports; the names are those on the wire without their prefix."""

    UNKNOWN = "UNKNOWN"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    ERROR = "ERROR"
    STOPPED = "STOPPED"


class ClientQuerySet(models.QuerySet["Client"]):
    def connected(self, now: datetime | None = None) -> Self:
        """Clients with a session on a live node. The node's lease counts for all its clients, so none is written."""
        return self.filter(alive(now or clock.now(), "node__"))

    def disconnected(self, now: datetime | None = None) -> Self:
        """All other clients."""
        return self.exclude(alive(now or clock.now(), "node__"))


class Client(models.Model):
    """A wallet-sync agent, with what it said when it registered."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=200, blank=True)
    type = models.CharField(max_length=100, blank=True, db_index=True)
    version = models.CharField(max_length=100, blank=True)
    version_key = models.CharField(
        max_length=64,
        blank=True,
        db_index=True,
        editable=False,
        help_text="The version as text that sorts like it.",
    )
    labels = models.JSONField(
        default=dict, blank=True, help_text="Names and values, both text, for selecting clients."
    )
    api_url = models.CharField(max_length=500, blank=True)
    capabilities = models.JSONField(default=list, blank=True)
    identity_epoch = models.CharField(
        max_length=64,
        blank=True,
        help_text="Changes when the client is provisioned anew; voids what was queued.",
    )
    config_version = models.BigIntegerField(default=0, help_text="Configuration version the client runs.")
    status = models.CharField(
        max_length=16, choices=ClientStatus, default=ClientStatus.UNKNOWN, db_index=True
    )
    status_details = models.TextField(blank=True)
    status_at = models.DateTimeField(null=True, blank=True)

    expected_status = models.CharField(
        max_length=16, blank=True, editable=False, help_text="What its last pause or resume has left it in."
    )
    expected_at = models.DateTimeField(null=True, editable=False)
    diverged_at = models.DateTimeField(
        null=True,
        blank=True,
        db_index=True,
        editable=False,
        help_text="Since when it reports another status than it acked to be in.",
    )
    paused_by = models.ForeignKey(
        StandingOrder,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="clients",
        help_text="The standing order that keeps it paused.",
    )
    resumed_past = models.BigIntegerField(
        default=0, editable=False, help_text="Standing orders up to this one: it was resumed by name since."
    )
    resume_owed = models.BooleanField(
        default=False, editable=False, help_text="Was away when its standing order was lifted."
    )

    node = models.ForeignKey(
        StreamNode, null=True, blank=True, on_delete=models.SET_NULL, related_name="clients"
    )
    session_epoch = models.BigIntegerField(
        default=0, help_text="Raised on every connect; guards writes of old sessions."
    )
    connected_at = models.DateTimeField(null=True, blank=True)
    disconnected_at = models.DateTimeField(null=True, blank=True)
    last_seen = models.DateTimeField(null=True, blank=True, db_index=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = ClientQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name or str(self.id)

    @property
    def is_connected(self) -> bool:
        return self.node is not None and self.node.alive
