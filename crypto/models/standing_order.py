from django.db import models

from crypto.models import clock


class StandingOrder(models.Model):
    """Keeps the selected clients paused, also those that register later, until it is lifted."""

    selector = models.JSONField(help_text="Which clients; also those that join later.")
    reason = models.CharField(max_length=1_000, blank=True)
    source = models.CharField(max_length=16)
    principal = models.CharField(max_length=200, blank=True, help_text="Who gave it.")
    created_at = models.DateTimeField(default=clock.now)
    lifted_at = models.DateTimeField(null=True, blank=True, db_index=True)
    lifted_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"standing order {self.pk}"
