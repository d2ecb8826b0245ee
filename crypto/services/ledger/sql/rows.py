"""Ledger rows as the hot paths read them: one SELECT for all, tuples instead of models, with columns of the client."""

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
    """JSON. Rows of one operation have the same text, so it is parsed once."""
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
        """The command's class; None if this version does not know it."""
        return registry.get(self.command)

    def parsed(self) -> Command | None:
        """The command; None if this version does not know it or does not accept its parameters any more."""
        try:
            return _parse(self.command, self.params_text) if self.cls is not None else None
        except InvalidParameters:
            return None

    def address(self, now: datetime) -> str | None:
        """host:port of the node that holds the client's stream; None if the client is not connected."""
        lease = self.client__node__lease_until
        return self.client__node__address if lease is not None and lease > now else None


def read(rows: CommandLogQuerySet, limit: int | None = None) -> list[Row]:
    """Oldest first."""
    return fetch(_columns(rows.order_by("created_at", "id"))[:limit], Row)


def lock(rows: CommandLogQuerySet, limit: int | None = None) -> list[Row]:
    """Like `read`, with the rows locked until the transaction ends.

    All code locks in this one order, and rows of the ledger before clients. So transactions that overlap wait for each
    other and never deadlock. (On SQLite the transaction itself is the lock.)
    """
    return read(rows.select_for_update(of=("self",)), limit)


def lock_by_id(ids: list[UUID]) -> list[Row]:
    """`lock(by_id(ids))`, but many times as fast for a few rows."""
    return _lock_rows(ids)


def lock_only(ids: list[UUID]) -> None:
    """Lock these rows in the common order without reading them. A single row needs no order: its UPDATE locks it."""
    if connection.features.has_select_for_update and len(ids) > 1:
        _lock_ids(ids)


def lock_clients(ids: list[UUID]) -> ClientQuerySet:
    """The clients; reading them locks them, in the common order. Rows that refer to them can still be inserted."""
    return Client.objects.filter(pk__among=ids).order_by("pk").select_for_update(no_key=True)


def by_id(ids: Collection[UUID], *states: State) -> CommandLogQuerySet:
    """The rows with these ids; if states are given, only those in one of them."""
    rows = CommandLog.objects.filter(pk__among=ids)
    return rows.filter(In(Unindexed("state"), states)) if states else rows


def _columns(rows: CommandLogQuerySet) -> "models.QuerySet[Any, Any]":
    return rows.annotate(params_text=Cast("params", models.TextField())).values_list(*Row._fields)


@lru_cache(maxsize=1_000)
def _parse(name: str, params: str) -> Command:
    return registry[name].parse(json.loads(params))


_lock_rows = SelectById(
    lambda ids: _columns(by_id(ids).select_for_update(of=("self",)).order_by("created_at", "id")), Row
)

_lock_ids = SelectById(
    lambda ids: by_id(ids).select_for_update().order_by("created_at", "id").values_list("pk"), lambda pk: pk
)
