"""Real numbers from a real EVM: what moves on the chain is what the client reports."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from eth_utils.address import to_checksum_address

from crypto.agent.connectors.base import BadOptions
from crypto.agent.connectors.evm import BATCH, EvmConnector
from crypto.agent.reference import ReferenceAgent
from crypto.wire.crypto_streaming_pb2 import DjangoCommand, SyncWalletsCommand
from tests.fakes.chain import Chain
from tests.fakes.contract_server import ContractServer, Stream
from tests.integration.agent.clients import running

ETHER = 10**18
SYNC = DjangoCommand(sync_wallets=SyncWalletsCommand())


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Chain() as running_chain:
        yield running_chain


async def synced(stream: Stream, wallets: int) -> dict[tuple[str, str], Decimal]:
    """Balances by address and symbol, as reported for one sync."""
    before = len([m for m in stream.messages if m.HasField("wallet_update")])
    assert (await stream.execute(SYNC)).success
    reports = (await stream.payloads("wallet_update", before + wallets))[before:]
    return {
        (m.wallet_update.wallet_id, m.wallet_update.symbol): Decimal(m.wallet_update.balance_available)
        for m in reports
    }


async def test_a_transfer_on_the_chain_is_in_the_next_sync(server: ContractServer, chain: Chain) -> None:
    watched = chain.accounts[3]
    token = chain.deploy_token("GOLD", decimals=6, supply=1_000_000 * 10**6)
    options = {"rpc_url": chain.url, "addresses": [watched], "tokens": [{"address": token}]}
    async with running(server.address, ReferenceAgent(EvmConnector(options))):
        stream = await server.stream()
        before = await synced(stream, 2)
        assert before[watched, "GOLD"] == 0
        chain.transfer(token, watched, 12_345_678)
        chain.pay(watched, ETHER // 4)
        after = await synced(stream, 2)
    assert after[watched, "GOLD"] == Decimal("12.345678")
    assert after[watched, "ETH"] - before[watched, "ETH"] == Decimal("0.25")


async def test_options_overrule_what_the_token_says(chain: Chain) -> None:
    token = chain.deploy_token("WEIRD", decimals=2, supply=500)
    named = {"address": token, "symbol": "NICE", "decimals": 0}
    connector = EvmConnector({"rpc_url": chain.url, "addresses": [chain.accounts[0]], "tokens": [named]})
    balances = await connector.balances(("NICE",))
    assert [(balance.symbol, balance.available) for balance in balances] == [("NICE", Decimal(500))]
    await connector.close()


async def test_many_addresses_are_asked_in_few_requests(chain: Chain) -> None:
    addresses = [f"0x{n:040x}" for n in range(1, BATCH + 51)]
    chain.pay(to_checksum_address(addresses[6]), 5)
    connector = EvmConnector({"rpc_url": chain.url, "addresses": addresses})
    posts = chain.posts
    balances = await connector.balances(())
    assert chain.posts - posts == 2
    assert [balance.available for balance in balances if balance.available] == [
        Decimal("0.000000000000000005")
    ]
    await connector.close()


async def test_a_node_that_is_not_there_fails_the_command(server: ContractServer) -> None:
    options = {"rpc_url": "http://127.0.0.1:9", "addresses": ["0x" + "1" * 40]}
    async with running(server.address, ReferenceAgent(EvmConnector(options))):
        ack = await (await server.stream()).execute(SYNC)
    assert not ack.success
    assert "ClientConnector" in ack.error


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"addresses": ["0x" + "1" * 40]}, "rpc_url"),
        ({"rpc_url": "http://x", "addresses": []}, "addresses must not be empty"),
        ({"rpc_url": "http://x", "addresses": ["0x12"]}, "'0x12' is not an address"),
        ({"rpc_url": "http://x", "addresses": ["0x" + "1" * 40], "colour": 1}, "'colour'"),
        ({"rpc_url": "http://x", "addresses": ["0x" + "1" * 40], "tokens": [{"name": 1}]}, "a token has"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadOptions, match=sentence):
        EvmConnector(options)
