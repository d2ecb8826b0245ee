from typing import Any

from django.db import models, transaction
from django.db.models import Q

from crypto.models import clock
from crypto.models.client import Client


class Configuration(models.Model):
    """The document that a client, the clients with a label, or all others are to run.

    Whenever it is saved, it is checked, versioned and sent; see `services.desired.configurations`.
    """

    client = models.OneToOneField(
        Client,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="configuration",
        help_text="For this client; it goes before those for labels.",
    )
    label = models.CharField(
        max_length=264,
        blank=True,
        help_text="For the clients with this label, as name=value. Neither client nor label: for all others.",
    )
    document = models.JSONField(blank=True, help_text="The whole configuration, a JSON object.")
    principal = models.CharField(max_length=200, blank=True, editable=False, help_text="Who changed it last.")

    version = models.BigIntegerField(
        default=0, editable=False, help_text="Of the document as it is; rises with every change."
    )
    checksum = models.CharField(
        max_length=64, editable=False, blank=True, help_text="Of the document that has the version."
    )
    changed_at = models.DateTimeField(null=True, editable=False)
    unsent_since = models.DateTimeField(null=True, editable=False)
    due_at = models.DateTimeField(
        null=True, editable=False, db_index=True, help_text="When the change is sent, unless another follows."
    )

    class Meta:
        ordering = ("label", "id")
        constraints = [
            models.UniqueConstraint(
                fields=("label",),
                condition=Q(client=None),
                name="configuration_once_per_label",
                violation_error_message="There is one already.",
            ),
            models.CheckConstraint(
                condition=Q(client=None) | Q(label=""), name="configuration_of_client_or_label"
            ),
        ]

    def __str__(self) -> str:
        if self.client_id is not None:
            return f"of client {self.client_id}"
        return f"of label {self.label}" if self.label else "default"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save in one transaction with the receivers that check, version and plan it."""
        with transaction.atomic():
            super().save(*args, **kwargs)


class ConfigurationVersion(models.Model):
    """The document of a version number. All documents share one sequence, so no number has two documents."""

    version = models.BigIntegerField(primary_key=True)
    configuration = models.ForeignKey(
        Configuration, null=True, on_delete=models.SET_NULL, related_name="versions"
    )
    document = models.JSONField()
    checksum = models.CharField(max_length=64)
    principal = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("-version",)

    def __str__(self) -> str:
        return str(self.version)
