"""Drift: clients that run another configuration than they are to run, why, and remediation: sending it again."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from crypto.commands.update_config import UpdateConfig
from crypto.models import Client, CommandLog, Configuration, ConfigurationVersion, State, clock
from crypto.models.command_log import OPEN
from crypto.services.desired.configurations import Resolver, checksum, document_errors, draw_version, publish
from crypto.services.desired.issue_to import issue_to

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
"""A configuration that was not applied is sent again after the first; the pause doubles each time."""
CREDIBLE = 1_000_000
"""If a client reports a version more than this above the highest number drawn, it is ignored for the next number."""


class DriftStatus(StrEnum):
    """How a client stands to its configuration; the values are shown to users."""

    IN_STEP = "in step"
    AWAY = "waits for the client"
    UNSUPPORTED = "the client takes no configuration"
    SENDING = "under way"
    REFUSED = "refused"
    FAILED = "failed, will be sent again"
    PLANNED = "about to be sent"


class Try(NamedTuple):
    """One `update_config` with the current document."""

    state: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A client and how it stands to its configuration."""

    client_id: UUID
    name: str
    running: int
    """The version it reports."""
    standing: DriftStatus
    reason: str = ""


class _Client(NamedTuple):
    id: UUID
    name: str
    labels: dict[str, str]
    config_version: int
    capabilities: list[str]
    connected_at: datetime | None
    node__lease_until: datetime | None


def members(configuration: Configuration) -> list[Member]:
    """The clients that are to run it, sorted by name."""
    of = _resolved(None)
    clients = sorted(of.get(configuration.pk, []), key=lambda client: (client.name, client.id))
    return _members(configuration, clients, clock.now())


def send_due(now: datetime | None = None) -> int:
    """A tick: send changed documents that are due; returns how many. Safe to call concurrently."""
    now = now or clock.now()
    due = list(Configuration.objects.filter(due_at__lte=now).values_list("pk", "due_at"))
    for pk, due_at in due:
        # Compare and swap: a change made meanwhile has set another `due_at`, which stays.
        Configuration.objects.filter(pk=pk, due_at=due_at).update(due_at=None, unsent_since=None)
    if due:
        remediate()
    return len(due)


def watch() -> None:
    """A tick: find documents that were changed without `save`, and clients that drifted. Safe to call concurrently."""
    for found in Configuration.objects.all():
        if checksum(found.document) != found.checksum:
            publish(found.pk)
    remediate()


def remediate(ids: list[UUID] | None = None, now: datetime | None = None) -> int:
    """Send their documents to those of these clients (None: of all) that drifted; returns to how many.

    Left out are clients that are not connected, have refused the document, are being sent it, or have just failed to
    apply it. Safe to call concurrently.
    """
    now = now or clock.now()
    if not Configuration.objects.exists():
        return 0
    resolved = _resolved(ids)
    sent = 0
    for found in Configuration.objects.filter(due_at=None):
        clients = resolved.get(found.pk, [])
        if any(member.standing is DriftStatus.PLANNED for member in _members(found, clients, now)):
            sent += _remediate(found.pk, clients, now)
    return sent


def _remediate(pk: int, clients: list[_Client], now: datetime) -> int:
    with transaction.atomic():
        # A concurrent call waits here, and then finds what was sent.
        found = Configuration.objects.select_for_update().filter(pk=pk, due_at=None).first()
        if found is None or checksum(found.document) != found.checksum:
            return 0  # deleted, or changed and not due yet
        if wrong := document_errors(found.document):
            logger.error("the configuration %s is not sent: %s", found, wrong[0])
            return 0
        lacking = {m.client_id for m in _members(found, clients, now) if m.standing is DriftStatus.PLANNED}
        behind = [c.id for c in clients if c.id in lacking and c.config_version < found.version]
        ahead = [c for c in clients if c.id in lacking and c.config_version >= found.version]
        _send(behind, found, found.version)
        if ahead:
            # They run another document with a higher number, and accept no lower one.
            _send(
                [c.id for c in ahead], found, draw_version(found, _credible(c.config_version for c in ahead))
            )
        return len(lacking)


def _send(ids: list[UUID], configuration: Configuration, version: int) -> None:
    if ids:
        command = UpdateConfig.parse({"document": configuration.document, "version": version})
        issue_to(ids, command, f"configuration {configuration}")


def _credible(versions: Iterable[int]) -> int:
    last = ConfigurationVersion.objects.values_list("version", flat=True).first() or 0
    return max((version for version in versions if version <= last + CREDIBLE), default=0)


def _resolved(ids: list[UUID] | None) -> dict[int, list[_Client]]:
    """Clients by the id of their configuration."""
    resolve = Resolver(list(Configuration.objects.all()))
    clients = Client.objects.all() if ids is None else Client.objects.filter(pk__among=ids)
    found: dict[int, list[_Client]] = defaultdict(list)
    for values in clients.order_by("pk").values_list(*_Client._fields):
        client = _Client(*values)
        configuration = resolve(client.id, client.labels)
        if configuration is not None:
            found[configuration.pk].append(client)
    return found


def _members(configuration: Configuration, clients: list[_Client], now: datetime) -> list[Member]:
    # The same document has further numbers if it was sent to clients that ran a higher version.
    same = configuration.versions.filter(checksum=configuration.checksum, version__gte=configuration.version)
    good = set(same.values_list("version", flat=True))
    drifted = [client.id for client in clients if client.config_version not in good]
    tries = _tries(configuration, drifted, good)
    return [
        Member(client.id, client.name, client.config_version, *_standing(client, good, tries[client.id], now))
        for client in clients
    ]


def _tries(configuration: Configuration, ids: list[UUID], good: set[int]) -> dict[UUID, list[Try]]:
    """When the current document was sent to each client and with which result, oldest first."""
    found: dict[UUID, list[Try]] = defaultdict(list)
    if ids and configuration.changed_at is not None:
        rows = CommandLog.objects.filter(command=UpdateConfig.name, created_at__gte=configuration.changed_at)
        if len(ids) <= 1_000:
            rows = rows.filter(client__in=ids)
        columns = ("client_id", "params__version", "state", "reason", "created_at")
        for client_id, version, *values in rows.order_by("created_at").values_list(*columns):
            if version in good:
                found[client_id].append(Try(*values))
    return found


def _standing(client: _Client, good: set[int], tries: list[Try], now: datetime) -> tuple[DriftStatus, str]:
    if client.config_version in good:
        return DriftStatus.IN_STEP, ""
    last = tries[-1] if tries else None
    if last is not None and last.state == State.REJECTED:
        return DriftStatus.REFUSED, last.reason
    if UpdateConfig.capability() not in client.capabilities:
        return DriftStatus.UNSUPPORTED, ""
    if client.node__lease_until is None or client.node__lease_until <= now:
        return DriftStatus.AWAY, ""
    if last is None:
        return DriftStatus.PLANNED, ""
    if last.state in OPEN:
        return DriftStatus.SENDING, last.reason
    if last.state == State.SUCCEEDED and (client.connected_at is None or last.at <= client.connected_at):
        return DriftStatus.PLANNED, ""  # it has lost the document since
    pause = min(FIRST_PAUSE * 2 ** min(len(tries) - 1, 10), LONGEST_PAUSE)
    if last.at > now - pause:
        return DriftStatus.FAILED, last.reason
    return DriftStatus.PLANNED, last.reason
