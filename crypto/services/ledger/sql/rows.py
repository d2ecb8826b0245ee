"""The ledger's rows as the hot paths read them: one SELECT shape, plain tuples, the client's route beside the row."""

import json
from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, models
from django.db.models.functions import Cast
from django.db.models.lookups import In

from crypto.commands import Command, registry
from crypto.exceptions import InvalidParameters
from crypto.models import Client, CommandLog, State
from crypto.models.client import ClientQuerySet
from crypto.models.command_log import CommandLogQuerySet
from crypto.models.lookups import Unindexed
from crypto.services.ledger.sql.statements import SelectById, fetch


class Row(NamedTuple):
    id: UUID
    client_id: UUID
    operation_id: UUID | None
    created_at: datetime
    command: str
    params_text: str
    """JSON; rows of one operation share it, and with it the parsed command."""
    state: str
    attempt: int
    max_attempts: int
    timeout: float
    offline: str
    seen: bool
    claim: UUID | None
    superseded_by: UUID | None
    sent_at: datetime | None
    ack_at: datetime | None
    cancel_requested_at: datetime | None
    expires_at: datetime | None
    identity_epoch: str
    client__identity_epoch: str
    client__paused_by_id: int | None
    client__capabilities: list[str]
    client__status: str
    client__expected_status: str
    client__node__address: str | None
    client__node__lease_until: datetime | None

    @property
    def cls(self) -> type[Command] | None:
        """The command's class; None if this process no longer knows it."""
        return registry.get(self.command)

    def parsed(self) -> Command | None:
        """The command; None if this version does not know it or does not take its parameters any more."""
        try:
            return _parse(self.command, self.params_text) if self.cls is not None else None
        except InvalidParameters:
            return None

    def address(self, now: datetime) -> str | None:
        """Where the client's stream is; None if it has none on a live node."""
        lease = self.client__node__lease_until
        return self.client__node__address if lease is not None and lease > now else None


def read(rows: CommandLogQuerySet, limit: int | None = None) -> list[Row]:
    """Oldest first."""
    return fetch(_columns(rows.order_by("created_at", "id"))[:limit], Row)


def lock(rows: CommandLogQuerySet, limit: int | None = None) -> list[Row]:
    """Like `read`, with the rows locked until the transaction ends.

    Everybody locks in the same order, rows of the ledger before clients, so that batches which overlap wait for each
    other and never deadlock. (On SQLite the transaction itself is the lock.)
    """
    return read(rows.select_for_update(of=("self",)), limit)


def lock_by_id(ids: list[UUID]) -> list[Row]:
    """`lock(by_id(ids))`, many times as fast for a few."""
    return _locked(ids)


def lock_only(ids: list[UUID]) -> None:
    """Lock these rows in the one order, and read nothing of them. One row needs no order."""
    if connection.features.has_select_for_update and len(ids) > 1:
        _held(ids)


def lock_clients(ids: list[UUID]) -> ClientQuerySet:
    """The clients, to be locked when read, in the one order; rows that refer to them can still be inserted."""
    return Client.objects.filter(pk__among=ids).order_by("pk").select_for_update(no_key=True)


def by_id(ids: Collection[UUID], *states: State) -> CommandLogQuerySet:
    """These rows; those of them that are in one of the states, if any are named."""
    rows = CommandLog.objects.filter(pk__among=ids)
    return rows.filter(In(Unindexed("state"), states)) if states else rows


def _columns(rows: CommandLogQuerySet) -> "models.QuerySet[Any, Any]":
    return rows.annotate(params_text=Cast("params", models.TextField())).values_list(*Row._fields)


@lru_cache(maxsize=1_000)
def _parse(name: str, params: str) -> Command:
    return registry[name].parse(json.loads(params))


_locked = SelectById(
    lambda ids: _columns(by_id(ids).select_for_update(of=("self",)).order_by("created_at", "id")), Row
)

_held = SelectById(
    lambda ids: by_id(ids).select_for_update().order_by("created_at", "id").values_list("pk"), lambda pk: pk
)
