from django.db import models

from crypto.models.client import Client


class Report(models.Model):
    """A message from a client about itself. With a `message_id`, a repeated one is stored once."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="%(class)ss")
    message_id = models.CharField(max_length=64, null=True, blank=True)
    message = models.TextField(blank=True)
    reported_at = models.DateTimeField(db_index=True, help_text="The client's clock.")
    received_at = models.DateTimeField(db_index=True)

    class Meta:
        abstract = True
        ordering = ("-received_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("client", "message_id"), name="%(class)s_once_per_client")
        ]

    def __str__(self) -> str:
        return self.message[:80]


class ClientError(Report):
    severity = models.CharField(max_length=32, blank=True, db_index=True)
    traceback = models.TextField(blank=True)


class ClientLog(Report):
    level = models.CharField(max_length=32, blank=True, db_index=True)
    extra_data = models.TextField(blank=True)
