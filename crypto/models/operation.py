import uuid

from django.db import models

from crypto.commands import Lane
from crypto.models import clock
from crypto.models.command_log import Source


class OperationState(models.TextChoices):
    """States of an operation."""

    RUNNING = "RUNNING", "running"
    PAUSED = "PAUSED", "paused"
    STOPPING = "STOPPING", "stopping: what was sent already is awaited"
    COMPLETED = "COMPLETED", "completed"
    COMPLETED_WITH_FAILURES = "COMPLETED_WITH_FAILURES", "completed with failures"
    ABORTED = "ABORTED", "aborted by its own thresholds"
    CANCELED = "CANCELED", "canceled"


UNDER_WAY = frozenset({OperationState.RUNNING, OperationState.PAUSED, OperationState.STOPPING})
"""States of operations that have not ended. The other states are final: every row has ended."""


class Operation(models.Model):
    """One command to many clients. Its targets are its CommandLog rows; none is added or removed later."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    command = models.CharField(max_length=64)
    params = models.JSONField(default=dict)
    selector = models.JSONField(help_text="What the targets were chosen by.")
    snapshot = models.CharField(max_length=64, help_text="Hash of the targets.")
    targets = models.PositiveIntegerField(help_text="Number of rows; their states always add up to it.")
    policy = models.JSONField(default=dict)
    waves = models.PositiveSmallIntegerField(default=1)
    source = models.CharField(max_length=16, choices=Source)
    principal = models.CharField(max_length=200, blank=True, help_text="Who asked for it.")
    reason = models.CharField(max_length=1_000, blank=True, help_text="Why it was asked for.")
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="retries",
        help_text="What it retries.",
    )
    lane = models.CharField(max_length=16, choices=[(lane.value, lane.value) for lane in Lane])
    dedupe_key = models.CharField(max_length=200, null=True, blank=True, unique=True)

    state = models.CharField(max_length=24, choices=OperationState, default=OperationState.RUNNING)
    note = models.TextField(blank=True, help_text="Why it is in its state, where that is not plain.")
    verdict = models.CharField(max_length=24, blank=True, help_text="What a stopping operation will end as.")
    wave = models.PositiveSmallIntegerField(default=1, help_text="Rows of later waves are held.")
    last_wave = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Pause when this wave is over."
    )
    allowance = models.FloatField(default=0.0, help_text="Rows that the rate limit allowed and nobody took.")
    allowance_at = models.DateTimeField(default=clock.now)

    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True, blank=True, help_text="When the first rows were released.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = [
            models.Index(fields=("state",), name="operation_state"),
            models.Index(fields=("created_at",), name="operation_created"),
        ]

    def __str__(self) -> str:
        return f"{self.command} {self.id}"

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY


class Snapshot(models.Model):
    """The targets that a preview showed; a start can demand the same ones. Kept for a day."""

    hash = models.CharField(max_length=64, primary_key=True)
    members = models.BinaryField(help_text="The ids, 16 bytes each, sorted.")
    created_at = models.DateTimeField(default=clock.now, db_index=True)

    def __str__(self) -> str:
        return self.hash
