"""`python -m crypto.agent` as a process of its own: its options, its end, and what survives a kill."""

import asyncio
import json
import signal
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import DjangoCommand, PingCommand, RestartCommand, SyncWalletsCommand
from tests.fakes.contract_server import ContractServer
from tests.support.processes import ROOT

PING = DjangoCommand(ping=PingCommand(sequence=1))
SYNC = DjangoCommand(sync_wallets=SyncWalletsCommand())
RESTART = DjangoCommand(restart=RestartCommand(reason="test"))


async def start(*arguments: object) -> Process:
    command = (sys.executable, "-m", "crypto.agent", *map(str, arguments))
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE)


@asynccontextmanager
async def agent(server: ContractServer, *arguments: object) -> AsyncIterator[Process]:
    process = await start("--server", server.address, *arguments)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(process: Process) -> tuple[int, str]:
    """Exit code and what it said."""
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def say(process: Process, text: str) -> str:
    """Waits for a line of the log with this text."""
    assert process.stderr is not None
    line = ""
    while text not in line:
        line = (await asyncio.wait_for(process.stderr.readline(), 20)).decode()
        assert line, f"it ended without saying {text!r}"
    return line


def effects(path: Path) -> list[str]:
    """The verbs that ran, from the file outside of every journal."""
    return [line.split()[2] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--server", "nowhere", "--fleet", "1"], "'nowhere' is not HOST:PORT"),
        (["--server", "x:1", "--id", "me"], "'me' is not a UUID"),
        (["--server", "x:1"], "exactly one of --id, --fleet and --ids"),
        (["--server", "x:1", "--fleet", "3", "--id", str(uuid.uuid4())], "exactly one of"),
        (["--server", "x:1", "--fleet", "3", "--silent", "half"], "'half' is neither a count"),
        (["--server", "x:1", "--fleet", "3", "--connector", "magic"], "'magic' is none of"),
        (
            ["--server", "x:1", "--fleet", "3", "--connector-options", '{"colour": 1}'],
            "unknown option 'colour'",
        ),
        (["--server", "x:1", "--fleet", "3", "--connector-options", "/no/such"], "No such file"),
        (["--server", "x:1", "--ids", "/no/such"], "No such file"),
        (["--server", "x:1", "--fleet", "3", "--wrong"], "No such option"),
    ],
)
async def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], sentence: str) -> None:
    code, said = await ended(await start(*arguments))
    assert code == 2
    assert sentence in said
    assert said.count("\n") == 1


async def test_help_names_every_option() -> None:
    process = await start("--help")
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert {b"--server", b"--fleet", b"--journal", b"--effects"} <= set(out.split())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(
    server: ContractServer, tmp_path: Path, number: signal.Signals
) -> None:
    async with agent(server, "--id", uuid.uuid4(), "--data-dir", tmp_path) as process:
        stream = await server.stream()
        await stream.execute(PING)
        process.send_signal(number)
        code, said = await ended(process)
    assert code == 0
    assert "Traceback" not in said


async def test_the_same_client_cannot_run_twice_on_one_disk(server: ContractServer, tmp_path: Path) -> None:
    same = ("--id", uuid.uuid4(), "--data-dir", tmp_path)
    async with agent(server, *same):
        await server.stream()
        code, said = await ended(await start("--server", server.address, *same))
    assert (code, said.count("\n")) == (2, 1)
    assert "locked" in said


@pytest.mark.parametrize("journal", ["durable", "fast"])
async def test_killed_between_begin_and_finish(server: ContractServer, tmp_path: Path, journal: str) -> None:
    """What is not idempotent does not run again and is said to be unknown; what is, runs again."""
    log = tmp_path / "effects"
    same = ("--id", uuid.uuid4(), "--data-dir", tmp_path, "--effects", log, "--journal", journal)
    async with agent(server, *same, "--slow-ms", 60_000, "--log-level", "debug") as process:
        stream = await server.stream()
        cut_off, repeatable = await stream.send(RESTART), await stream.send(SYNC)
        await say(process, f"{cut_off} begins")
        await say(process, f"{repeatable} begins")
        process.kill()
        await process.wait()
    assert effects(log) == []
    async with agent(server, *same):
        stream = await server.stream(2)
        (digest,) = await stream.payloads("journal_digest")
        assert {cut_off, repeatable} <= set(digest.journal_digest.unknown)
        assert not digest.journal_digest.finished
        ack = await stream.execute(DjangoCommand(command_id=cut_off, restart=RESTART.restart))
        assert (ack.success, ack.error) == (False, "OutcomeUnknown")
        assert (
            await stream.execute(DjangoCommand(command_id=repeatable, sync_wallets=SYNC.sync_wallets))
        ).success
        assert (await stream.execute(PING)).success
    assert effects(log) == ["sync_wallets", "ping"]


async def test_killed_after_the_ack_it_answers_from_the_journal(
    server: ContractServer, tmp_path: Path
) -> None:
    log = tmp_path / "effects"
    same = ("--id", uuid.uuid4(), "--data-dir", tmp_path, "--effects", log)
    async with agent(server, *same) as process:
        stream = await server.stream()
        first = await stream.execute(SYNC)
        epoch = stream.messages[0].register.identity_epoch
        process.kill()
        await process.wait()
    async with agent(server, *same):
        stream = await server.stream(2)
        (digest,) = await stream.payloads("journal_digest")
        assert list(digest.journal_digest.finished) == [first]
        repeat = DjangoCommand(command_id=first.command_id, sync_wallets=SYNC.sync_wallets)
        assert await stream.execute(repeat) == first
        assert stream.messages[0].register.identity_epoch == epoch
        await stream.settle()
        assert len(await stream.payloads("wallet_update", 3)) == 3, "reports outlived the process"
    assert effects(log) == ["sync_wallets"]


async def test_a_new_disk_is_a_new_identity(server: ContractServer, tmp_path: Path) -> None:
    client_id = uuid.uuid4()
    for disk in ("one", "two"):
        async with agent(server, "--id", client_id, "--data-dir", tmp_path / disk):
            await server.stream(1 if disk == "one" else 2)
    one, two = (stream.messages[0].register.identity_epoch for stream in server.streams)
    assert one
    assert one != two


def acks(server: ContractServer) -> list[CommandAck]:
    return [m.command_ack for stream in server.streams for m in stream.messages if m.HasField("command_ack")]


async def test_a_fleet_says_when_it_is_complete_and_counts(server: ContractServer, tmp_path: Path) -> None:
    stats, log = tmp_path / "stats.json", tmp_path / "effects"
    shares = ("--offline", 2, "--silent", "10%", "--refusing", 3, "--first-contract", "50%")
    async with agent(
        server, "--fleet", 20, "--stats", stats, "--effects", log, "--agent-version", "1,2", *shares
    ) as fleet:
        assert "fleet connected 18/18" in await say(fleet, "fleet connected")
        for stream in server.streams:
            await stream.send(PING)
        async with asyncio.timeout(20):
            while len(acks(server)) < 16:
                await asyncio.sleep(0.01)
        fleet.terminate()
        assert await fleet.wait() == 0
    counts: dict[str, Any] = json.loads(stats.read_text())
    assert (len(acks(server)), sum(ack.success for ack in acks(server))) == (16, 13)
    assert counts["behaviours"] == {"normal": 13, "offline": 2, "silent": 2, "refusing": 3}
    assert (counts["clients"], counts["online"], counts["acks"], counts["refused"]) == (20, 18, 16, 3)
    assert effects(log) == ["ping"] * 13
    registered = [stream.messages[0].register for stream in server.streams]
    assert {register.version for register in registered} == {"1", "2"}
    assert 5 <= sum(not register.capabilities for register in registered) <= 10
