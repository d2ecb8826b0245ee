"""What tests of the ledger share: clients on a node that nobody listens for, rows, and what must always hold."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from crypto.models import Client, CommandLog, State, StreamNode
from crypto.models.command_log import ANSWERED, UNDELIVERED, legal
from crypto.services.ledger.attempt import Attempt
from crypto.services.ledger.claim import claim
from crypto.services.ledger.issue import CommandRequest, command, issue
from crypto.services.ledger.settle import Ack

HOUR = timedelta(hours=1)


def node(address: str = "127.0.0.1:1") -> StreamNode:
    now = timezone.now()
    return StreamNode.objects.create(id=uuid4(), address=address, started_at=now, lease_until=now + HOUR)


def client(on: StreamNode | None = None, **fields: Any) -> Client:
    """Connected if it is given a node."""
    return Client.objects.create(id=uuid4(), node=on, **fields)


def queued(
    to: Client, name: str = "ping", params: dict[str, Any] | None = None, **options: Any
) -> CommandLog:
    """A command just issued."""
    return issue(CommandRequest(client_id=to.id, command=command(name, params), **options))


def sent(to: Client, name: str = "ping", **options: Any) -> Attempt:
    """A command under way for the first time."""
    (attempt,) = claim([queued(to, name, **options).id])
    return attempt


def ack(of: Attempt | CommandLog, error: str = "", client_id: UUID | None = None, **fields: Any) -> Ack:
    return Ack(of.id, client_id or of.client_id, success=not error, error=error, **fields)


def row(of: Attempt | CommandLog) -> CommandLog:
    return CommandLog.objects.get(pk=of.id)


def states(of: Attempt | CommandLog) -> list[str]:
    """Every state it went through."""
    return [step.state for step in row(of).steps]


def hurry(*of: Attempt | CommandLog) -> None:
    """Let the time come for which these rows wait: a retry, a deadline, the end of a lease."""
    past = timezone.now() - timedelta(seconds=1)
    rows = CommandLog.objects.open().filter(pk__in=[each.id for each in of])
    rows.update(due_at=past)
    rows.filter(retry_at__isnull=False).update(retry_at=past)


def check(rows: Iterable[CommandLog]) -> None:
    """What holds of every row at every instant."""
    for each in rows:
        steps = [State(step.state) for step in each.steps]
        assert steps[-1] == each.state, each.history
        assert steps[0] == State.QUEUED, each.history
        assert legal(steps), each.history
        assert each.attempt <= each.max_attempts, each.history
        assert each.is_open == (each.due_at is not None) == (each.finished_at is None), each.history
        if each.state in UNDELIVERED:
            assert not each.seen, each.history
        if each.state == State.TIMED_OUT:
            assert each.seen, each.history
        if each.state in ANSWERED and each.acked_at is not None:
            assert each.sent_at is not None, each.history
