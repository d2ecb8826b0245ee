"""Pauses a client whose commands fail too often."""

from typing import Any
from uuid import UUID

from django.dispatch import receiver

from crypto.models import Client, ClientStatus, CommandLog, Source, State
from crypto.services.ledger.issue import CommandRequest, command, issue
from crypto.signals import command_finished

LAST = 10
TOO_MANY = 5


@receiver(command_finished)
def pause_who_fails(commands: list[UUID], **kwargs: Any) -> None:
    failed = CommandLog.objects.filter(pk__in=commands, state=State.FAILED)
    clients = Client.objects.filter(pk__in=failed.values("client")).exclude(status=ClientStatus.PAUSED)
    for client in clients:
        answered = client.commands.filter(state__in=(State.SUCCEEDED, State.FAILED)).order_by("-finished_at")
        failures = list(answered.values_list("state", flat=True)[:LAST]).count(State.FAILED)
        pausing = client.commands.open().filter(command="pause").exists()
        if failures >= TOO_MANY and not pausing:
            issue(
                CommandRequest(
                    client_id=client.pk,
                    command=command("pause", {"reason": f"{failures} of its last {LAST} commands failed"}),
                    source=Source.SIGNAL,
                    principal="error rate",
                )
            )
