"""Whoever asks, inline, for an operation or in a worker: the same question gets the same answer."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto.commands import Command
from crypto.commands.get_wallets import GetWallets
from crypto.commands.pause import Pause
from crypto.commands.ping import Ping
from crypto.commands.resume import Resume
from crypto.commands.sync_wallets import SyncWallets
from crypto.models import Client, CommandLog, Offline, Source, StandingOrder, State, StreamNode
from crypto.services.ledger.admission import Park, Refuse, Target, Terms, decide
from crypto.services.ledger.attempt import Attempt
from crypto.services.ledger.claim import claim
from crypto.services.ledger.issue import CommandRequest, issue
from crypto.services.ledger.issue_inline import insert
from crypto.services.ledger.override import still_paused_by
from crypto.services.operations.policy import Policy
from crypto.services.operations.start import OperationRequest, start
from tests.support import ledger

pytestmark = pytest.mark.django_db(transaction=True)

COMMANDS = st.sampled_from([SyncWallets(), Ping(), Pause(), Resume(), GetWallets()])
CLIENTS = st.fixed_dictionaries(
    {
        "connected": st.booleans(),
        "capabilities": st.sampled_from([[], ["get_wallets"]]),
        "paused": st.booleans(),
    }
)
several = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def made(connected: bool, capabilities: list[str], paused: bool) -> Client:
    node = StreamNode.objects.first() or ledger.node()
    client = ledger.client(node if connected else None, capabilities=capabilities)
    if paused:
        order = StandingOrder.objects.create(selector={"ids": [str(client.pk)]}, source=Source.CLI)
        client.paused_by = order
        client.save()
    return client


def expected(client: Client, command: Command, **terms: Any) -> tuple[str, str]:
    """State and cause, by the rule itself; for what goes, the state in which it is delivered."""
    supported = not command.capability() or command.capability() in client.capabilities
    paused_by = still_paused_by(command, client.paused_by_id)
    target = Target(client.is_connected, supported, paused_by, client.identity_epoch)
    decision = decide(command, target, Terms(**terms), timezone.now())
    if isinstance(decision, Refuse):
        return decision.state, decision.cause
    return (State.QUEUED, decision.cause) if isinstance(decision, Park) else (State.SENT, "")


@given(command=COMMANDS, client=CLIENTS)
@several
def test_inline(transactional_db: None, command: Command, client: dict[str, Any]) -> None:
    made_client = made(**client)
    (inserted,) = insert([CommandRequest(client_id=made_client.pk, command=command)])
    row = CommandLog.objects.get(client=made_client)
    state, cause = expected(made_client, command)
    assert row.state == state
    assert isinstance(inserted, Attempt) == (state == State.SENT)
    assert cause in ("", row.cause)


@given(command=COMMANDS, client=CLIENTS, offline=st.sampled_from(Offline), window=st.sampled_from([None, 1]))
@several
def test_for_an_operation(
    transactional_db: None, command: Command, client: dict[str, Any], offline: Offline, window: int | None
) -> None:
    made_client = made(**client)
    policy = Policy(offline=offline, window=window)
    operation = start(
        OperationRequest(command=command, selector={"ids": [str(made_client.pk)]}, policy=policy)
    )
    row = CommandLog.objects.get(operation=operation)
    state, cause = expected(
        made_client, command, offline=offline, attempts_left=command.retry.attempts, held=window is not None
    )
    # What may go waits for the worker that claims it; so does what spends its first attempt at an absent client.
    if state == State.SENT or (cause == "not_connected" and state == State.QUEUED):
        assert (row.state, row.held, row.cause in ("", "released")) == (State.QUEUED, False, True)
    elif cause == "operation":
        # It was held when it was inserted; the rollout may have released it on commit.
        assert row.state == State.QUEUED
    else:
        assert (row.state, row.cause) == (state, cause)


@given(command=COMMANDS, client=CLIENTS, offline=st.sampled_from(Offline), late=st.booleans())
@several
def test_in_a_worker(
    transactional_db: None, command: Command, client: dict[str, Any], offline: Offline, late: bool
) -> None:
    made_client = made(**client)
    issued = issue(CommandRequest(client_id=made_client.pk, command=command, offline=offline))
    if late:
        CommandLog.objects.filter(pk=issued.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    made_client.refresh_from_db()  # what the issue has overridden
    row = CommandLog.objects.get(pk=issued.pk)
    state, cause = expected(
        made_client,
        command,
        offline=offline,
        attempts_left=row.max_attempts,
        expires_at=row.expires_at,
    )
    claimed = claim([row.pk])
    row.refresh_from_db()
    assert bool(claimed) == (state == State.SENT)
    if cause == "not_connected" and state == State.QUEUED:
        assert (row.state, row.cause, row.attempt) == (State.QUEUED, "retry", 1)
    elif state != State.SENT:
        assert (row.state, row.cause) == (state, cause)
