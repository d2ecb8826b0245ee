"""Clients that lie about commands, written from the wire alone: the ledger believes nobody about another's command,
nor about what was never sent, nor a second word on what is settled; and the stream lives on."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from crypto.commands import registry
from crypto.models import CommandLog, Offline, State
from crypto.models.command_log import legal
from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.ledger.issue import CommandRequest, issue
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import JournalDigest
from tests.fakes.contract_client import ContractClient, stay_silent
from tests.integration.contract.test_payloads import barrier
from tests.integration.contract.test_unary import ready
from tests.support.live import StreamingServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("here")]


def to(client: ContractClient, name: str = "sync_wallets", **more: Any) -> CommandRequest:
    return CommandRequest(client_id=UUID(client.client_id), command=registry[name](), **more)


def queued(client: ContractClient) -> CommandLog:
    """On record and never sent: there is no worker."""
    return issue(to(client, offline=Offline.QUEUE))


def done(id: UUID, **more: Any) -> CommandAck:
    return CommandAck(command_id=str(id), **({"success": True} | more))


def states(id: UUID) -> list[str]:
    row = CommandLog.objects.get(pk=id)
    steps = [step.state for step in row.steps]
    assert steps[-1] == row.state
    assert legal([State(state) for state in steps])
    return steps


def still_works(client: ContractClient) -> None:
    client.answer = lambda command: done(UUID(command.command_id))
    assert dispatcher().execute(to(client, "ping")).result(30).state == State.SUCCEEDED


def test_a_second_word_changes_nothing(server: StreamingServer) -> None:
    with ContractClient(server.address) as liar:
        ready(liar)
        result = dispatcher().execute(to(liar)).result(30)
        before = CommandLog.objects.filter(pk=result.id).values().get()
        for ack in (
            done(result.id),
            done(result.id, success=False, error="Failed"),
            done(result.id, message="2"),
        ):
            liar.say(command_ack=ack)
        barrier(liar)
        assert CommandLog.objects.filter(pk=result.id).values().get() == before
        assert states(result.id) == ["QUEUED", "SENT", "SUCCEEDED"]
        still_works(liar)


def test_done_before_it_ran_and_then_failed(server: StreamingServer) -> None:
    """One word counts, whichever is stored first (they come on two ways): it is never taken back."""

    def hasty(command: Any) -> CommandAck:
        liar.say(command_ack=done(UUID(command.command_id)))
        return done(UUID(command.command_id), success=False, error="ValueError")

    with ContractClient(server.address) as liar:
        ready(liar)
        liar.answer = hasty
        result = dispatcher().execute(to(liar)).result(30)
        barrier(liar)
        assert states(result.id) in (["QUEUED", "SENT", "SUCCEEDED"], ["QUEUED", "SENT", "FAILED"])
        still_works(liar)


@pytest.mark.parametrize("success", [True, False])
def test_an_ack_of_anothers_command(server: StreamingServer, success: bool) -> None:
    with ContractClient(server.address) as honest, ContractClient(server.address) as liar:
        ready(honest).answer = stay_silent
        ready(liar)
        waiting = dispatcher().execute(to(honest, timeout=15.0))
        id = UUID(honest.next_command().command_id)
        liar.say(command_ack=done(id, success=success, error="" if success else "Failed"))
        barrier(liar)
        assert states(id) == ["QUEUED", "SENT"]
        honest.say(command_ack=done(id, message="by myself"))
        assert waiting.result(30).ack.message == "by myself"  # type: ignore[union-attr]
        still_works(liar)


def test_a_late_ack_of_anothers_command(server: StreamingServer) -> None:
    with ContractClient(server.address) as honest, ContractClient(server.address) as liar:
        ready(honest).answer = stay_silent
        ready(liar)
        result = dispatcher().execute(to(honest, timeout=0.3)).result(30)
        assert result.state == State.TIMED_OUT
        liar.say(command_ack=done(result.id))
        barrier(liar)
        assert states(result.id)[-1] == "TIMED_OUT"
        honest.say(command_ack=done(result.id))
        barrier(honest, "honest")
        assert states(result.id) == ["QUEUED", "SENT", "TIMED_OUT", "SUCCEEDED"]


def test_an_ack_of_what_was_never_sent(server: StreamingServer) -> None:
    with ContractClient(server.address) as liar:
        ready(liar)
        barrier(liar, "registered")  # whatever waited for the client has been rung for by now
        row = queued(liar)
        ended = queued(liar)
        CommandLog.objects.filter(pk=ended.pk).update(
            state=State.CANCELED, due_at=None, finished_at=timezone.now()
        )
        for id in (row.pk, ended.pk):
            liar.say(command_ack=done(id)).say(command_ack=done(id, success=False, error="OutcomeUnknown"))
        barrier(liar)
        assert states(row.pk) == ["QUEUED"]
        assert CommandLog.objects.get(pk=ended.pk).state == State.CANCELED
        still_works(liar)


def test_acks_of_nothing_at_all(server: StreamingServer) -> None:
    with ContractClient(server.address) as liar:
        ready(liar)
        for command_id in (str(uuid4()), "", "no uuid", "\x00", "x" * 10_000, str(UUID(int=0)), "💥"):
            liar.say(command_ack=CommandAck(command_id=command_id, success=True, data="{" * 1_000))
        barrier(liar)
        assert not CommandLog.objects.exists()
        still_works(liar)


def test_a_journal_full_of_lies(server: StreamingServer) -> None:
    """Others' commands, ids never sent, the same id finished and unknown: nothing lands, and commands flow."""
    with ContractClient(server.address) as honest, ContractClient(server.address) as liar:
        ready(honest).answer = stay_silent
        silent = dispatcher().execute(to(honest, timeout=0.3)).result(30)
        liar.register(capabilities=["journal"]).answer = stay_silent
        barrier(liar, "registered")
        never_sent = queued(liar)
        lies = [done(id) for id in (silent.id, never_sent.pk, uuid4(), silent.id)]
        unknown = [str(silent.id), str(never_sent.pk), "", "no uuid"]
        liar.say(journal_digest=JournalDigest(finished=lies, unknown=unknown))
        barrier(liar)
        assert states(silent.id) == ["QUEUED", "SENT", "TIMED_OUT"]
        # Now that the liar has presented its journal, the command that waited for it may have left.
        assert states(never_sent.pk) in (["QUEUED"], ["QUEUED", "SENT"])


def test_a_digest_says_done_and_then_unknown(server: StreamingServer) -> None:
    """What is known outweighs what is not, in whichever order it comes."""
    with ContractClient(server.address) as liar:
        ready(liar).answer = stay_silent
        result = dispatcher().execute(to(liar, timeout=0.3)).result(30)
        liar.say(journal_digest=JournalDigest(unknown=[str(result.id)], finished=[done(result.id)]))
        barrier(liar)
        assert states(result.id) == ["QUEUED", "SENT", "TIMED_OUT", "SUCCEEDED"]
        liar.say(journal_digest=JournalDigest(unknown=[str(result.id)]))
        barrier(liar, "again")
        assert states(result.id)[-1] == "SUCCEEDED"


def test_an_ack_from_the_future_and_one_from_before_the_epoch(server: StreamingServer) -> None:
    with ContractClient(server.address) as liar:
        ready(liar)
        for seconds in (10**17, -(10**17)):
            ack = CommandAck(success=True)
            ack.timestamp.seconds = seconds
            liar.answer = lambda command, ack=ack: CommandAck(  # type: ignore[misc]
                command_id=command.command_id, success=True, timestamp=ack.timestamp
            )
            result = dispatcher().execute(to(liar, expires_in=timedelta(seconds=60))).result(30)
            assert result.state == State.SUCCEEDED
            row = CommandLog.objects.get(pk=result.id)
            assert row.ack_at is None
            assert row.acked_at is not None
