from django.db import models


class WorkerBeat(models.Model):
    """The heartbeat of a worker process."""

    process = models.CharField(max_length=255, primary_key=True)
    lanes = models.JSONField(default=list, help_text="The queues it takes messages from.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("process",)

    def __str__(self) -> str:
        return self.process
