"""The example that the package's docstring gives is a whole agent, run as a process of its own."""

import asyncio
import signal
import sys
import textwrap
import uuid
from pathlib import Path

import crypto.agent
from crypto.wire.crypto_streaming_pb2 import DjangoCommand, PingCommand, SyncWalletsCommand
from tests.fakes.contract_server import ContractServer
from tests.support.processes import ROOT


async def test_the_example_in_the_docstring_runs(server: ContractServer, tmp_path: Path) -> None:
    text = crypto.agent.__doc__ or ""
    example = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    client_id = str(uuid.uuid4())
    (tmp_path / "vault.py").write_text(
        f"SERVER, CLIENT_ID = {server.address!r}, {client_id!r}\n{textwrap.dedent(example)}"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "vault.py", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
    )
    try:
        stream = await server.stream()
        assert stream.client_id == client_id
        ack = await stream.execute(DjangoCommand(sync_wallets=SyncWalletsCommand()))
        assert (ack.success, ack.message) == (True, "1 wallet")
        (report,) = await stream.payloads("wallet_update")
        assert report.wallet_update.balance_available == "1.5"
        assert (await stream.execute(DjangoCommand(ping=PingCommand()))).success
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
