from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from crypto.models import (
    Client,
    ClientError,
    ClientLog,
    CommandLog,
    Configuration,
    ConfigurationVersion,
    Operation,
    StreamNode,
)
from crypto.services.desired.configurations import set_configuration
from crypto.services.ledger.settle import record_acks
from tests.support import ledger
from tests.support.ledger import ack, queued, sent

LONG_AGO = timezone.now() - timedelta(days=31)


def prune(*arguments: str) -> str:
    out = StringIO()
    call_command("prune", "--older-than", "30d", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def commands(present: Client) -> list[CommandLog]:
    """Eleven that ended long ago, one that ended now, one that is open since long ago."""
    attempts = [sent(present) for _ in range(12)]
    record_acks([ack(attempt) for attempt in attempts])
    CommandLog.objects.exclude(pk=attempts[-1].id).update(finished_at=LONG_AGO)
    queued(present)
    CommandLog.objects.update(created_at=LONG_AGO)
    return list(CommandLog.objects.all())


def test_what_ended_long_ago_goes_in_batches(commands: list[CommandLog]) -> None:
    assert "11 commands gone" in prune("--batch", "4")
    assert CommandLog.objects.count() == 2


def test_a_dry_run_only_counts(commands: list[CommandLog]) -> None:
    assert "11 commands would go" in prune("--dry-run")
    assert CommandLog.objects.count() == 13


def test_histories_can_go_alone(commands: list[CommandLog]) -> None:
    assert "11 histories gone" in prune("--history-only")
    assert CommandLog.objects.count() == 13
    assert CommandLog.objects.filter(history="").count() == 11


def test_operations_keep_their_totals(commands: list[CommandLog]) -> None:
    operation = Operation.objects.create(
        command="ping", selector={}, snapshot="", targets=13, source="rest", lane="bulk"
    )
    CommandLog.objects.update(operation=operation)
    assert "11 histories of operations gone" in prune()
    assert CommandLog.objects.filter(operation=operation).count() == 13


def test_reports_and_dead_nodes_go_too(present: Client, node: StreamNode) -> None:
    for report in (ClientLog, ClientError):
        for received_at in (LONG_AGO, timezone.now()):
            report.objects.create(client=present, reported_at=LONG_AGO, received_at=received_at)
    dead = ledger.node("127.0.0.1:2")
    StreamNode.objects.filter(pk=dead.pk).update(lease_until=LONG_AGO)
    said = prune()
    assert "1 client logs gone" in said
    assert "1 client errors gone" in said
    assert "1 streaming nodes gone" in said
    assert (ClientLog.objects.count(), ClientError.objects.count(), StreamNode.objects.count()) == (1, 1, 1)


def test_versions_of_configurations_stay_while_somebody_has_them(present: Client) -> None:
    for number in range(5):
        set_configuration({"number": number})
    versions = list(ConfigurationVersion.objects.order_by("version").values_list("version", flat=True))
    ConfigurationVersion.objects.update(created_at=LONG_AGO)
    Client.objects.filter(pk=present.pk).update(config_version=versions[2])
    Configuration.objects.all().delete()  # and with it the only mention of the highest
    assert "3 configuration versions gone" in prune()
    left = ConfigurationVersion.objects.order_by("version").values_list("version", flat=True)
    assert list(left) == [versions[2], versions[-1]]


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1y", "99999999d"])
def test_an_age_is_a_number_with_a_unit(age: str) -> None:
    with pytest.raises(CommandError, match="is not an age"):
        call_command("prune", f"--older-than={age}")
