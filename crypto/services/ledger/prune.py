"""Deleting old rows, batch by batch, so that no transaction holds locks for long."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from crypto.models import (
    Client,
    ClientError,
    ClientLog,
    CommandLog,
    Configuration,
    ConfigurationVersion,
    StreamNode,
)
from crypto.models.command_log import OPEN


@dataclass(frozen=True, slots=True)
class Old:
    """Rows of one kind that may be deleted."""

    what: str
    rows: QuerySet[Any]
    history_only: bool = False
    """Only the histories are emptied; the rows stay."""

    def prune(self, batch: int) -> Iterator[int]:
        """Yields the size of each batch once it is deleted. One transaction a batch."""
        while ids := list(self.rows.order_by().values_list("pk", flat=True)[:batch]):
            with transaction.atomic():
                found = self.rows.model._default_manager.filter(pk__in=ids)
                if self.history_only:
                    found.update(history="")
                else:
                    found.delete()
            yield len(ids)


def old(before: datetime, history_only: bool = False) -> list[Old]:
    """What ended or was reported before that time.

    Rows of operations stay, because an operation's totals are counted from them. When a row is deleted, its dedupe key
    can be used again, and a late ack for it is ignored.
    """
    ended = CommandLog.objects.filter(finished_at__lt=before).exclude(state__in=OPEN)
    if history_only:
        return [Old("histories", ended.exclude(history=""), history_only=True)]
    return [
        Old("commands", ended.filter(operation=None)),
        Old("histories of operations", ended.exclude(operation=None).exclude(history=""), history_only=True),
        Old("client logs", ClientLog.objects.filter(received_at__lt=before)),
        Old("client errors", ClientError.objects.filter(received_at__lt=before)),
        Old("streaming nodes", StreamNode.objects.filter(lease_until__lt=before)),
        Old("configuration versions", _replaced(before)),
    ]


def _replaced(before: datetime) -> QuerySet[ConfigurationVersion]:
    """Versions that no client runs or is to run. The highest one stays: the next number is one above it."""
    versions = ConfigurationVersion.objects
    return (
        versions.filter(
            created_at__lt=before, version__lt=versions.order_by("-version").values("version")[:1]
        )
        .exclude(version__in=Configuration.objects.values("version"))
        .exclude(version__in=Client.objects.values("config_version"))
    )
