from datetime import datetime

from django.db import models
from django.db.models import Q

from crypto.models import clock


class StreamNode(models.Model):
    """A streaming server. It is alive while its lease lasts, which it renews itself."""

    id = models.UUIDField(primary_key=True)
    address = models.CharField(
        max_length=255, help_text="host:port where the control plane reaches this node."
    )
    process = models.CharField(max_length=255, blank=True)
    started_at = models.DateTimeField()
    lease_until = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return self.address

    @property
    def alive(self) -> bool:
        return self.lease_until > clock.now()


def alive(now: datetime, prefix: str = "") -> Q:
    """Filter for live nodes; `prefix` ("node__") applies it from a related model."""
    return Q(**{f"{prefix}lease_until__gt": now})
