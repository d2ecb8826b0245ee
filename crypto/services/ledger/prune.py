"""Forgetting what is old enough: batch by batch, so that nobody waits for long."""

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
    what: str
    rows: QuerySet[Any]
    history_only: bool = False
    """The rows stay, without the course of how they came to their state."""

    def prune(self, batch: int) -> Iterator[int]:
        """Yields the size of each batch once it is gone; each is a transaction of its own."""
        while ids := list(self.rows.order_by().values_list("pk", flat=True)[:batch]):
            with transaction.atomic():
                found = self.rows.model._default_manager.filter(pk__in=ids)
                if self.history_only:
                    found.update(history="")
                else:
                    found.delete()
            yield len(ids)


def old(before: datetime, history_only: bool = False) -> list[Old]:
    """What ended, or was reported, before then.

    A command of an operation keeps its row, for the operation's totals are counted from its rows. With a row go its
    dedupe key, which may then be used anew, and the place where a very late ack would have landed.
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
    """Versions that nobody is to run or runs. The highest stays, for the next number is drawn above it."""
    versions = ConfigurationVersion.objects
    return (
        versions.filter(
            created_at__lt=before, version__lt=versions.order_by("-version").values("version")[:1]
        )
        .exclude(version__in=Configuration.objects.values("version"))
        .exclude(version__in=Client.objects.values("config_version"))
    )
