"""The journal against a model: at most one run of an id, whatever repeats and wherever the process dies."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crypto.agent import journal as journal_module
from crypto.agent.journal import OUTCOME_UNKNOWN, Journal
from crypto.agent.store import Store
from crypto.wire.common_pb2 import CommandAck

IDS = [f"command-{n}" for n in range(5)]


def idempotent(command_id: str) -> bool:
    return int(command_id[-1]) % 2 == 0


class JournalMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = Path(tempfile.mkdtemp())
        self.boots = 0
        self.running: set[str] = set()
        self.finished: set[str] = set()
        self.cut_off: set[str] = set()
        self.settled: set[str] = set()
        self.runs = dict.fromkeys(IDS, 0)
        self.open(self.directory / "0.sqlite3")

    def open(self, path: Path) -> None:
        self.path = path
        self.store = Store(path, durable=False)
        self.journal = Journal(self.store, "client")
        self.runner.run(self.journal.recover())

    @rule(command_id=st.sampled_from(IDS))
    def deliver(self, command_id: str) -> None:
        if command_id in self.running:
            return
        answer = self.runner.run(self.journal.begin(command_id, idempotent=idempotent(command_id)))
        if command_id in self.finished:
            assert answer is not None
            assert (answer.success, answer.message) == (True, f"done {command_id}")
        elif command_id in self.cut_off and not idempotent(command_id):
            assert answer is not None
            assert (answer.command_id, answer.success, answer.error) == (command_id, False, OUTCOME_UNKNOWN)
        else:
            assert answer is None
            self.runs[command_id] += 1
            self.running.add(command_id)
            self.cut_off.discard(command_id)
            self.settled.discard(command_id)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        command_id = data.draw(st.sampled_from(sorted(self.running)))
        ack = CommandAck(command_id=command_id, success=True, message=f"done {command_id}")
        self.runner.run(self.journal.finish(ack))
        self.running.discard(command_id)
        self.finished.add(command_id)

    @rule(command_ids=st.lists(st.sampled_from(IDS)))
    def settle(self, command_ids: list[str]) -> None:
        async def settle() -> None:
            self.journal.settle(command_ids)

        self.runner.run(settle())
        self.settled |= set(command_ids) & (self.finished | self.cut_off)

    @rule()
    def crash(self) -> None:
        """The disk as it is at this instant is all that the next process finds."""
        self.boots += 1
        after = self.directory / f"{self.boots}.sqlite3"
        for suffix in ("", "-wal"):
            source = Path(f"{self.path}{suffix}")
            if source.exists():
                shutil.copy(source, f"{after}{suffix}")
        self.runner.run(self.store.close())
        self.cut_off |= self.running
        self.running = set()
        self.open(after)

    @invariant()
    def digest_presents_what_is_not_settled(self) -> None:
        digest = self.runner.run(self.journal.digest())
        assert {ack.command_id for ack in digest.finished} == self.finished - self.settled
        assert set(digest.unknown) == self.cut_off - self.settled

    @invariant()
    def no_second_run(self) -> None:
        assert all(count <= 1 for command_id, count in self.runs.items() if not idempotent(command_id))

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        shutil.rmtree(self.directory)


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


async def test_a_digest_is_bounded_and_holds_the_newest() -> None:
    async with Store(None) as store:
        journal = Journal(store, "client")
        for n in range(40):
            await journal.begin(f"command-{n}", idempotent=True)
            await journal.finish(CommandAck(command_id=f"command-{n}", data="x" * 10_000))
        digest = await journal.digest()
    assert digest.ByteSize() < journal_module.DIGEST_BYTES * 1.1
    assert [ack.command_id for ack in digest.finished][-2:] == ["command-38", "command-39"]
    assert 20 < len(digest.finished) < 40


async def test_clients_of_one_store_do_not_see_each_other() -> None:
    async with Store(None) as store:
        one, other = Journal(store, "one"), Journal(store, "other")
        assert await one.begin("command", idempotent=False) is None
        assert await other.begin("command", idempotent=False) is None
        await one.finish(CommandAck(command_id="command", success=True))
        assert not (await other.digest()).finished


async def test_finished_entries_do_not_grow_without_bound() -> None:
    async with Store(None) as store:
        journal = Journal(store, "client")
        await journal.begin("running", idempotent=False)
        keep, every = journal_module.KEEP_ENTRIES, journal_module.PRUNE_EVERY
        await store.do(
            lambda db: db.executemany(
                "INSERT INTO entry (client, command, state, at) VALUES ('client', ?, ?, 0)",
                ((f"old-{n}", journal_module.FINISHED) for n in range(keep + every - 2)),
            )
        )
        await journal.begin("new", idempotent=False)
        (count,) = await store.do(lambda db: db.execute("SELECT count(*) FROM entry").fetchone())
        assert count == keep + 1
        assert await store.do(
            lambda db: db.execute("SELECT 1 FROM entry WHERE command = 'running'").fetchone()
        )
