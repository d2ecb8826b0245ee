"""Real numbers from a real chain: a transfer, a command, the new balance in REST."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.fakes.chain import Chain
from tests.support.installation import STARTED, Ports, announced, call, start
from tests.support.processes import Process, environment, wait_until

pytestmark = pytest.mark.slow


def balance(known: dict[str, Any], client_id: str, symbol: str) -> Decimal | None:
    _, page, _ = call(known, "GET", f"{known['api']}wallets/?client={client_id}&symbol={symbol}")
    return Decimal(page["results"][0]["available"]) if page["results"] else None


def test_a_transfer_and_a_command_move_the_balance_in_rest(tmp_path: Path) -> None:
    client_id = str(uuid4())
    with Chain() as chain, start(tmp_path, Ports.free()) as process:
        token = chain.deploy_token("USDX", 6, 1_000_000 * 10**6)
        watched = chain.accounts[1]
        known = announced(process)
        options = {"rpc_url": chain.url, "addresses": [watched], "tokens": [{"address": token}]}
        arguments = ["--server", known["streaming"], "--id", client_id, "--data-dir", str(tmp_path / "agent")]
        agent = [
            "-m",
            "crypto.agent",
            *arguments,
            "--connector",
            "evm",
            "--connector-options",
            json.dumps(options),
        ]
        with Process.python(
            *agent, env=environment(tmp_path / "agent"), output=tmp_path / "agent.log"
        ) as watcher:
            watcher.wait_for_text("fleet connected 1/1", STARTED)
            chain.transfer(token, watched, 1_250_000)
            status, body, _ = call(known, "POST", f"{known['api']}commands/{client_id}/sync_wallets/")
            assert (status, body["command_result"]["success"]) == (200, True)
            wait_until(lambda: balance(known, client_id, "USDX") == Decimal("1.25"), 30, "the new balance")
            ether = balance(known, client_id, "ETH")
            chain.pay(watched, 10**18 + 1)
            call(known, "POST", f"{known['api']}commands/{client_id}/sync_wallets/?symbols=ETH")
            assert ether is not None
            expected = ether + 1 + Decimal("1e-18")
            wait_until(lambda: balance(known, client_id, "ETH") == expected, 30, "ether to the last wei")
