import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from crypto.commands import Lane
from crypto.models import clock
from crypto.models.cause import Cause
from crypto.models.client import Client


class State(models.TextChoices):
    """States of a command; `ARROWS` has the legal changes."""

    QUEUED = "QUEUED", "queued"
    SENT = "SENT", "sent"
    SUCCEEDED = "SUCCEEDED", "succeeded"
    FAILED = "FAILED", "failed"
    REJECTED = "REJECTED", "rejected"
    NOT_CONNECTED = "NOT_CONNECTED", "not connected"
    TIMED_OUT = "TIMED_OUT", "timed out, outcome unknown"
    EXPIRED = "EXPIRED", "expired"
    CANCELED = "CANCELED", "canceled"
    SUPERSEDED = "SUPERSEDED", "superseded"


OPEN = frozenset({State.QUEUED, State.SENT})
"""States of commands that have not ended."""
ANSWERED = frozenset({State.SUCCEEDED, State.FAILED, State.REJECTED})
"""Final states in which the client has answered."""
CORRECTABLE = frozenset({State.TIMED_OUT, State.CANCELED})
"""Ended states in which the outcome may be unknown: a late ack still corrects them."""
UNDELIVERED = frozenset({State.NOT_CONNECTED, State.EXPIRED, State.SUPERSEDED})
"""Final states in which the client has not seen the command."""
FAILURES = (State.FAILED, State.REJECTED, State.TIMED_OUT, State.NOT_CONNECTED, State.EXPIRED)
"""Ends that count as failures; CANCELED and SUPERSEDED do not."""

_ANYWHERE = OPEN | ANSWERED | UNDELIVERED | CORRECTABLE

ARROWS: dict[State, frozenset[State]] = {
    State.QUEUED: _ANYWHERE,  # answered, if the ack of an earlier attempt arrives while the next one waits
    State.SENT: _ANYWHERE - {State.SENT},
    **dict.fromkeys(CORRECTABLE, ANSWERED),
}
"""Every legal change of state; from a state that is missing here there is none."""


class Source(models.TextChoices):
    """Through what a command was issued."""

    REST = "rest"
    ADMIN = "admin"
    SIGNAL = "signal"
    SCHEDULE = "schedule"
    CLI = "cli"
    CODE = "code"
    GRPC = "grpc"


class Offline(models.TextChoices):
    """What happens to a command whose client is not connected."""

    FAIL = "fail", "end as NOT_CONNECTED once the retries are spent"
    QUEUE = "queue", "wait for the client until the command expires"
    SKIP = "skip", "end as NOT_CONNECTED at once"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a row's history."""

    at: datetime
    state: str
    process: str
    why: str


def step_line(state: State, *, why: str, process: str, now: datetime) -> str:
    """One line of `CommandLog.history`."""
    return json.dumps([now.isoformat(), state.value, process, why]) + "\n"


class CommandLogQuerySet(models.QuerySet["CommandLog"]):
    def open(self) -> "CommandLogQuerySet":
        """Rows that have not ended."""
        return self.filter(state__in=OPEN, due_at__isnull=False)

    def waiting(self, client_ids: Iterable[uuid.UUID]) -> "CommandLogQuerySet":
        """Rows that wait for these clients and may be claimed."""
        # `due_at`, which every open row has, lets the query use a partial index.
        return self.filter(
            client__in=client_ids, due_at__isnull=False, state=State.QUEUED, offline=Offline.QUEUE, held=False
        )

    def move(
        self, to: State, *, cause: Cause, why: str = "", process: str, now: datetime, **changes: Any
    ) -> int:
        """Change the state of all rows of this query by one UPDATE; returns how many there were.

        `why`: the reason, if it says more than the label of the cause.

        The query is the guard: it must filter by the expected state (and, for the outcome of an attempt, by its claim).
        Only changes in `ARROWS` are legal; only `crypto.services` calls it.
        """
        why = why or cause.label
        step = step_line(to, why=why, process=process, now=now)
        if to not in OPEN:
            changes = {"due_at": None, "retry_at": None, "claim": None, **changes}
        return self.update(
            state=to, cause=cause, reason=why, history=Concat(F("history"), Value(step)), **changes
        )


class CommandLog(models.Model):
    """The record of one command to one client. Rows change state only through `crypto.services`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    client = models.ForeignKey(
        Client,
        on_delete=models.PROTECT,
        related_name="commands",
        db_index=False,  # the index by client and time serves; every index is written three times a command
    )
    command = models.CharField(max_length=64)
    params = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    cause = models.CharField(
        max_length=32, blank=True, help_text="Why the row is in its state: a word of `Cause`."
    )
    reason = models.TextField(blank=True, help_text="The same in words, made from the cause.")
    attempt = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=1)
    timeout = models.FloatField(help_text="Seconds an attempt waits for its ack.")
    lane = models.CharField(
        max_length=16, choices=[(lane.value, lane.value) for lane in Lane], default=Lane.DEFAULT.value
    )
    offline = models.CharField(max_length=8, choices=Offline, default=Offline.FAIL)
    source = models.CharField(max_length=16, choices=Source)
    principal = models.CharField(max_length=200, blank=True, help_text="Who asked for it.")
    dedupe_key = models.CharField(max_length=200, null=True, blank=True, unique=True)
    identity_epoch = models.CharField(
        max_length=64, blank=True, help_text="The client's identity it was issued for."
    )
    superseded_by = models.UUIDField(
        null=True, blank=True, help_text="The command or operation that made it void."
    )
    operation = models.ForeignKey(
        "crypto.Operation",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="rows",
        db_index=False,
    )
    wave = models.PositiveSmallIntegerField(
        default=0, help_text="Of its operation; 0: none, it was skipped or is single."
    )
    held = models.BooleanField(
        default=False, help_text="Its operation has not released it: nobody may claim it."
    )

    due_at = models.DateTimeField(null=True, help_text="Next attempt (queued) or end of the lease (sent).")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="The next attempt waits until then.")
    claim = models.UUIDField(null=True, help_text="Names the attempt that holds the row; guards its outcome.")
    seen = models.BooleanField(
        default=False, help_text="The client may have seen it: an attempt's outcome is unknown."
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="Start of the last attempt.")
    finished_at = models.DateTimeField(null=True, blank=True)

    late = models.BooleanField(default=False, help_text="The ack came after the row had ended.")
    acked_at = models.DateTimeField(null=True, blank=True, help_text="When the ack was received.")
    ack_at = models.DateTimeField(null=True, blank=True, help_text="The client's clock in the ack.")
    ack_message = models.TextField(blank=True)
    ack_error = models.CharField(max_length=200, blank=True)
    ack_status = models.CharField(max_length=16, blank=True)
    ack_data = models.TextField(blank=True, help_text="Structured result, a JSON document.")
    history = models.TextField(blank=True, editable=False)

    objects = CommandLogQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = [
            models.Index(fields=("client", "-created_at"), name="command_client_created"),
            models.Index(fields=("state", "-created_at"), name="command_state_created"),
            models.Index(fields=("created_at",), name="command_created"),
            models.Index(
                fields=("client", "created_at"), condition=Q(due_at__isnull=False), name="command_client_open"
            ),
            models.Index(fields=("due_at",), condition=Q(due_at__isnull=False), name="command_due"),
            models.Index(
                fields=("operation", "state"),
                condition=Q(operation__isnull=False),
                name="command_operation_state",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=sorted(OPEN)) | Q(due_at__isnull=False),
                name="open_rows_have_a_deadline",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.command} {self.id}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def steps(self) -> list[Step]:
        """The row's history, oldest first."""
        return [
            Step(datetime.fromisoformat(at), state, process, why)
            for at, state, process, why in map(json.loads, self.history.splitlines())
        ]


def legal(states: Iterable[State]) -> bool:
    """Whether a row may pass through these states in this order."""
    return all(after in ARROWS.get(before, frozenset()) for before, after in pairwise(states))
