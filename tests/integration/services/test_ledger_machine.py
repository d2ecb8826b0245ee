"""Any interleaving of what may happen to commands leaves a ledger that tells the truth."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from crypto.commands import Failure
from crypto.models import Client, CommandLog, Offline
from crypto.models.command_log import ANSWERED, UNDELIVERED
from crypto.services.ledger.attempt import Attempt
from crypto.services.ledger.cancel import cancel
from crypto.services.ledger.claim import claim
from crypto.services.ledger.settle import UNKNOWN, FailedAttempt, record_acks, record_failures
from crypto.services.ledger.sweep import sweep
from tests.support import ledger

COMMANDS = ["ping", "pause", "resume", "restart", "update_config"]
PARAMS = {"update_config": {"document": "{}"}}
ERRORS = ["", "Boom", "Rejected", UNKNOWN]
SETTINGS = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
CAPABILITIES = [[], ["journal", "restart", "update_config"]]


class Ledger(RuleBasedStateMachine):
    rows = Bundle("rows")
    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.node = ledger.node()
        self.clients = [ledger.client(self.node, capabilities=capabilities) for capabilities in CAPABILITIES]
        self.final: dict[CommandLog, str] = {}
        self.delivered: set[object] = set()

    @rule(
        target=rows,
        whom=st.integers(0, 1),
        name=st.sampled_from(COMMANDS),
        offline=st.sampled_from(list(Offline)),
    )
    def issue(self, whom: int, name: str, offline: Offline) -> CommandLog:
        return ledger.queued(self.clients[whom], name, PARAMS.get(name), offline=offline)

    @rule(target=attempts, some=st.lists(rows, min_size=1, max_size=4))
    def claim(self, some: list[CommandLog]) -> Any:
        taken = claim([row.id for row in some])
        self.delivered.update(attempt.id for attempt in taken)
        return multiple(*taken)

    @rule(attempt=attempts, error=st.sampled_from(ERRORS))
    def ack(self, attempt: Attempt, error: str) -> None:
        """Of this attempt or of any before; in time, late, or for the second time."""
        record_acks([ledger.ack(attempt, error, at=timezone.now())])

    @rule(attempt=attempts, error=st.sampled_from(ERRORS))
    def ack_twice_at_once(self, attempt: Attempt, error: str) -> None:
        ack = ledger.ack(attempt, error, at=timezone.now())
        record_acks([ack, ack])
        after = ledger.row(attempt)
        if not after.is_open and error != UNKNOWN:
            assert record_acks([ack]) == [False]
            assert ledger.row(attempt).history == after.history

    @rule(row=rows, error=st.sampled_from(ERRORS))
    def ack_of_another_client(self, row: CommandLog, error: str) -> None:
        stranger = next(client for client in self.clients if client.id != row.client_id)
        before = ledger.row(row)
        assert record_acks([ledger.ack(row, error, stranger.id)]) == [False]
        assert ledger.row(row).history == before.history

    @rule(row=rows)
    def ack_of_what_was_never_sent(self, row: CommandLog) -> None:
        if row.id not in self.delivered:
            assert record_acks([ledger.ack(row)]) == [False]

    @rule(attempt=attempts, failure=st.sampled_from([f for f in Failure if f is not Failure.FAILED]))
    def record_failures(self, attempt: Attempt, failure: Failure) -> None:
        """Of this attempt, or of one that is long over."""
        record_failures([FailedAttempt(attempt.id, attempt.claim, failure, failure.value)])

    @rule(row=rows)
    def lease_or_backoff_ends(self, row: CommandLog) -> None:
        ledger.hurry(row)

    @rule(row=rows)
    def time_is_over(self, row: CommandLog) -> None:
        CommandLog.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    @rule()
    def sweep(self) -> None:
        sweep()

    @rule(some=st.lists(rows, min_size=1, max_size=4))
    def cancel(self, some: list[CommandLog]) -> None:
        cancel([row.id for row in some], principal="tester")

    @rule(whom=st.integers(0, 1), connected=st.booleans())
    def come_and_go(self, whom: int, connected: bool) -> None:
        Client.objects.filter(pk=self.clients[whom].pk).update(node=self.node if connected else None)

    @rule(whom=st.integers(0, 1), epoch=st.sampled_from(["first", "second"]))
    def provision(self, whom: int, epoch: str) -> None:
        Client.objects.filter(pk=self.clients[whom].pk).update(identity_epoch=epoch)

    @invariant()
    def the_ledger_is_sound(self) -> None:
        rows = list(CommandLog.objects.filter(client__in=self.clients))
        ledger.check(rows)
        now = {row: row.state for row in rows}
        assert self.final.items() <= now.items()
        self.final |= {row: state for row, state in now.items() if state in ANSWERED | UNDELIVERED}

    def teardown(self) -> None:
        """Once the wire is quiet, the clock alone ends every row."""
        for _ in range(20):
            open_rows = list(CommandLog.objects.open().filter(client__in=self.clients))
            if not open_rows:
                break
            ledger.hurry(*open_rows)
            sweep()
            claim([row.id for row in open_rows])
            CommandLog.objects.open().filter(offline=Offline.QUEUE).update(
                expires_at=timezone.now() - timedelta(seconds=1)
            )
        assert not CommandLog.objects.open().filter(client__in=self.clients).exists()
        self.the_ledger_is_sound()


@pytest.mark.django_db
def test_any_interleaving_keeps_the_ledger_sound() -> None:
    class Isolated(Ledger):
        """Each run's rows are gone with its transaction."""

        def __init__(self) -> None:
            self._atomic = transaction.atomic()
            self._atomic.__enter__()
            super().__init__()

        def teardown(self) -> None:
            try:
                super().teardown()
            finally:
                transaction.set_rollback(True)
                self._atomic.__exit__(None, None, None)

    run_state_machine_as_test(Isolated, settings=SETTINGS)
