from typing import Any

from django.db import models, transaction

from crypto.models import clock
from crypto.models.operation import Operation


class Missed(models.TextChoices):
    """What happens to occurrences while no scheduler runs."""

    SKIP = "skip", "let them pass"
    ONCE = "once", "run once for all of them"


class Overlap(models.TextChoices):
    """What happens to an occurrence while the operation of an earlier one is under way."""

    SKIP = "skip", "let it pass"
    ALLOW = "allow", "run beside it"


class RunOutcome(models.TextChoices):
    """What happened to an occurrence."""

    STARTED = "STARTED", "started"
    OVERLAP = "OVERLAP", "passed: the previous operation was still running"
    MISSED = "MISSED", "passed: no scheduler was running"
    BROKEN = "BROKEN", "passed: the schedule is broken"


def everybody() -> dict[str, bool]:
    """The selector of all clients."""
    return {"all": True}


class Schedule(models.Model):
    """Starts an operation periodically. Checked and planned whenever it is saved; see `services.schedules`."""

    name = models.CharField(
        max_length=200, unique=True, help_text="Stands as the principal of what it starts."
    )
    command = models.CharField(max_length=64)
    params = models.JSONField(default=dict, blank=True, help_text="The command's parameters.")
    selector = models.JSONField(default=everybody, help_text='Which clients, such as {"connected": true}.')
    cron = models.CharField(
        max_length=200,
        blank=True,
        help_text="Minute, hour, day, month, weekday; or leave it to the interval.",
    )
    interval = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds from one run to the next, instead of cron."
    )
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="Zone of cron and window, such as Europe/Berlin."
    )
    jitter = models.PositiveIntegerField(
        default=0, help_text="Up to so many seconds after its time each run starts, drawn by lot."
    )
    enabled = models.BooleanField(default=True)
    start = models.DateTimeField(null=True, blank=True, help_text="No run before; intervals count from here.")
    end = models.DateTimeField(null=True, blank=True, help_text="No run after.")
    window_start = models.TimeField(
        null=True, blank=True, help_text="Maintenance window: runs only from this time of day."
    )
    window_end = models.TimeField(
        null=True, blank=True, help_text="… until before this one; the next day's, if it is earlier."
    )
    missed = models.CharField(max_length=8, choices=Missed, default=Missed.SKIP)
    overlap = models.CharField(max_length=8, choices=Overlap, default=Overlap.SKIP)

    next_run = models.DateTimeField(
        null=True,
        editable=False,
        help_text="The occurrence that comes next; guards it against a second firing.",
    )
    due_at = models.DateTimeField(
        null=True, editable=False, db_index=True, help_text="`next_run` and its share of the jitter."
    )
    last_run = models.DateTimeField(
        null=True, editable=False, help_text="The last occurrence that was dealt with."
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save all fields, in one transaction with the receivers that check it."""
        kwargs.pop("update_fields", None)
        with transaction.atomic():
            super().save(*args, **kwargs)


class ScheduleRun(models.Model):
    """What happened to one occurrence. An occurrence has one run at most."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs")
    occurrence = models.DateTimeField(
        null=True, help_text="When it was to be; null where somebody ran it by hand."
    )
    at = models.DateTimeField(help_text="When it was dealt with.")
    outcome = models.CharField(max_length=8, choices=RunOutcome)
    operation = models.ForeignKey(
        Operation, null=True, on_delete=models.SET_NULL, related_name="schedule_runs"
    )
    principal = models.CharField(max_length=200, blank=True, help_text="Who ran it by hand.")
    note = models.TextField(blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=("schedule", "occurrence"), name="occurrence_once_per_schedule")
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.occurrence or self.at}"
