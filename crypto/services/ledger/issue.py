"""Issuing: a command is first stored as a row of the ledger; the message to a worker follows on commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from crypto.commands import Command, registry
from crypto.exceptions import DedupeConflict, InvalidParameters, UnknownClient, UnknownCommand
from crypto.ids import new_id
from crypto.models import Client, CommandLog, Offline, Source, State, clock
from crypto.models.command_log import step_line
from crypto.services.ledger.override import Named, override
from crypto.services.ledger.queue import REQUEUE_AFTER, enqueue
from crypto.services.ledger.supersede import Newer, supersede
from crypto.services.process import process_name

TIMEOUTS = (0.1, 300.0)
"""Bounds of an ack timeout, in seconds."""
EXPIRY = timedelta(hours=24)
"""How long a command may wait to be delivered unless the caller says otherwise."""
EXPIRIES = (timedelta(seconds=1), timedelta(days=30))
"""Bounds of `expires_in`."""
EXPIRY_SECONDS = (EXPIRIES[0].total_seconds(), EXPIRIES[1].total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRequest:
    """A request to send one command to one client.

    Raises InvalidParameters if a value is out of bounds.
    """

    client_id: UUID
    command: Command
    source: Source = Source.CODE
    principal: str = ""
    """Who asks: a user name, a schedule's name."""
    offline: Offline = Offline.FAIL
    timeout: float | None = None
    """Seconds an attempt waits for the ack; None: the command's own."""
    expires_in: timedelta | None = None
    dedupe_key: str | None = None
    wait: bool = True
    """Inline only: whether to wait for the ack. False: handing the command to the client's stream is enough."""
    id: UUID | None = None
    """The row's id, if the caller has one already."""
    wire_id: str = ""
    """`command_id` on the wire, if it is not the row's id: foreign callers choose their own."""

    def __post_init__(self) -> None:
        errors = {}
        if self.timeout is not None and not TIMEOUTS[0] <= self.timeout <= TIMEOUTS[1]:
            errors["timeout"] = [f"Must lie between {TIMEOUTS[0]:g} and {TIMEOUTS[1]:g} seconds."]
        if self.expires_in is not None and not EXPIRIES[0] <= self.expires_in <= EXPIRIES[1]:
            errors["expires_in"] = ["Must lie between 1 second and 30 days."]
        if self.dedupe_key is not None and not 0 < len(self.dedupe_key) <= 200:
            errors["dedupe_key"] = ["Must have between 1 and 200 characters."]
        if errors:
            raise InvalidParameters(errors)

    def row(
        self, now: datetime, identity_epoch: str, state: State = State.QUEUED, **values: Any
    ) -> CommandLog:
        """The ledger row, not yet saved."""
        expires_in = self.expires_in or EXPIRY
        values = {
            "due_at": now + REQUEUE_AFTER,
            "max_attempts": self.command.retry.attempts,
            "lane": self.command.lane.value,
            "history": step_line(State.QUEUED, why="issued", process=process_name(), now=now),
            **values,
        }
        return CommandLog(
            id=self.id or new_id(),
            client_id=self.client_id,
            command=self.command.name,
            params=self.command.params,
            state=state,
            timeout=self.timeout or self.command.timeout,
            offline=self.offline,
            source=self.source,
            principal=self.principal[:200],
            dedupe_key=self.dedupe_key,
            identity_epoch=identity_epoch,
            expires_at=now + expires_in,
            created_at=now,
            **values,
        )


def command(name: str, params: Mapping[str, object] | None = None) -> Command:
    """The command by name and parameters. Raises UnknownCommand, InvalidParameters."""
    if name not in registry:
        raise UnknownCommand(f"there is no command {name!r}")
    return registry[name].parse(params or {})


def issue(request: CommandRequest) -> CommandLog:
    """Queue a command in the caller's transaction; its id is enqueued when that commits.

    If the dedupe key was used before, the earlier row is returned. Raises UnknownClient, DedupeConflict.
    """
    now = clock.now()
    with transaction.atomic():
        known = Client.objects.only("identity_epoch", "paused_by", "resume_owed")
        client = known.filter(pk=request.client_id).first()
        if client is None:
            raise UnknownClient(f"there is no client {request.client_id}")
        row = request.row(now, client.identity_epoch)
        before = _insert(row)
        if before is not None:
            return before
        supersede([Newer(request.client_id, request.command, row.id)], now)
        override(request.command, [Named(client.pk, client.paused_by_id, client.resume_owed)])
        transaction.on_commit(lambda: enqueue([(row.lane, row.id)]))
    return row


def same_request(row: CommandLog, before: CommandLog) -> CommandLog:
    """`before`, issued under the same dedupe key. Raises DedupeConflict if it was for something else."""
    if (row.client_id, row.command, row.params) != (before.client_id, before.command, before.params):
        raise DedupeConflict(f"the key {row.dedupe_key!r} was used for {before.command} {before.id}")
    return before


def _insert(row: CommandLog) -> CommandLog | None:
    """Save the row; if its dedupe key was used before, return the earlier row."""
    if row.dedupe_key is not None:
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            return same_request(row, CommandLog.objects.get(dedupe_key=row.dedupe_key))
    else:
        row.save(force_insert=True)
    return None
