"""Conservation: however releases, claims, acks, losses and people's interventions interleave, the states of an
operation's rows add up to its targets at every instant, and in the end it ends."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from crypto.commands import Failure
from crypto.exceptions import OperationConflict
from crypto.models import Client, CommandLog, Operation, OperationState, State
from crypto.services.ledger.attempt import Attempt
from crypto.services.ledger.claim import claim
from crypto.services.ledger.settle import FailedAttempt, record_failures
from crypto.services.ledger.sweep import sweep
from crypto.services.operations import actions
from crypto.services.operations.progress import progress
from crypto.services.operations.rollout import advance_all
from tests.support import bulk, ledger

SETTINGS = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
COMMANDS = ["ping", "pause", "resume", "restart"]
TARGETS = 7
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "window": st.integers(1, 3),
        "rate": st.sampled_from([2.0, 1000.0]),
        "waves": st.lists(st.sampled_from([1, 2, "30%"]), max_size=3),
        "gate": st.sampled_from([0, 0.5, 1]),
        "abort": st.sampled_from([{"FAILED": 2}, {"TIMED_OUT": "30%"}, {"NOT_CONNECTED": 1}]),
        "offline": st.sampled_from(["skip", "queue", "fail"]),
    },
)
DEEDS = [actions.pause, actions.resume, actions.step, actions.cancel]


class Operations(RuleBasedStateMachine):
    @initialize()
    def fleet(self) -> None:
        self.node = ledger.node()
        able = {"capabilities": ["restart", "journal"]}
        self.clients = bulk.clients(4, self.node, **able) + bulk.clients(1, self.node) + bulk.clients(2, None)
        self.operations: list[Operation] = []
        self.attempts: list[Attempt] = []

    @rule(name=st.sampled_from(COMMANDS), policy=POLICIES)
    def start(self, name: str, policy: dict[str, Any]) -> None:
        if len(self.operations) < 4:
            self.operations.append(bulk.started(name, {"all": True}, **policy))
            advance_all()  # what its commit does

    @rule(part=st.floats(0, 1))
    def claim(self, part: float) -> None:
        """A message that was rung for any of the rows, rightly or not."""
        ids = list(CommandLog.objects.order_by("id").values_list("pk", flat=True))
        before = set(CommandLog.objects.filter(held=True).values_list("pk", flat=True))
        attempts = claim(ids[: round(part * len(ids))])
        assert not before & {attempt.id for attempt in attempts}
        self.attempts += attempts

    @rule(error=st.sampled_from(["", "", "Boom", "Rejected"]), count=st.integers(1, 5))
    def land(self, error: str, count: int) -> None:
        bulk.answered(self._some(count), error)

    @rule(failure=st.sampled_from([f for f in Failure if f is not Failure.FAILED]), count=st.integers(1, 3))
    def record_failures(self, failure: Failure, count: int) -> None:
        record_failures(
            [
                FailedAttempt(attempt.id, attempt.claim, failure, failure.value)
                for attempt in self._some(count)
            ]
        )

    @rule()
    def advance_all(self) -> None:
        Operation.objects.update(allowance_at=timezone.now() - timedelta(seconds=1))
        advance_all()

    @rule()
    def time_passes(self) -> None:
        # What is held waits for its operation; what was sent before it was held has its lease all the same.
        ledger.hurry(*CommandLog.objects.open().exclude(state=State.QUEUED, held=True))
        sweep()

    @rule(at=st.integers(0, 3), deed=st.sampled_from(DEEDS))
    def intervene(self, at: int, deed: Any) -> None:
        if at < len(self.operations):
            try:
                deed(self.operations[at].pk)
            except OperationConflict:
                return
            advance_all()

    @rule(at=st.integers(0, 3))
    def retry(self, at: int) -> None:
        if at < len(self.operations) < 4 and not progress(self.operations[at].pk).operation.under_way:
            self.operations.append(actions.retry(self.operations[at].pk))

    @rule(whom=st.integers(0, TARGETS - 1), connected=st.booleans())
    def come_and_go(self, whom: int, connected: bool) -> None:
        Client.objects.filter(pk=self.clients[whom].pk).update(node=self.node if connected else None)

    @invariant()
    def totals_add_up(self) -> None:
        for operation in getattr(self, "operations", []):
            bulk.check(operation)
            ledger.check(bulk.rows(operation))
            assert Operation.objects.get(pk=operation.pk).snapshot == operation.snapshot

    def teardown(self) -> None:
        """Left alone, with everybody connected and silent, each operation ends."""
        Client.objects.update(node=self.node)
        for _ in range(60):
            under_way = Operation.objects.exclude(finished_at__isnull=False)
            if not under_way:
                break
            for operation in under_way.filter(state=OperationState.PAUSED):
                actions.resume(operation.pk)
            self.advance_all()
            self.time_passes()
            self.claim(1)
        assert not Operation.objects.filter(finished_at=None).exists()
        self.totals_add_up()

    def _some(self, count: int) -> list[Attempt]:
        some, self.attempts = self.attempts[:count], self.attempts[count:]
        return some


@pytest.mark.django_db
def test_any_interleaving_conserves_the_targets() -> None:
    class Isolated(Operations):
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
