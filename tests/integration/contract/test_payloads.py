"""Every payload of the contract is stored; bad ones are refused and the stream lives on."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import grpc
import pytest

from crypto.models import Client, ClientError, ClientLog, Transaction, Wallet
from crypto.wire.common_pb2 import CLIENT_STATUS_PAUSED, CLIENT_STATUS_UNKNOWN, CommandAck
from crypto.wire.crypto_streaming_pb2 import (
    ClientRegistration,
    ErrorReport,
    HeartbeatUpdate,
    LogEntry,
    StatusUpdate,
    TransactionReport,
    WalletUpdate,
)
from tests.fakes.contract_client import ContractClient
from tests.support.live import StreamingServer
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def connected(client: ContractClient) -> bool:
    return any(c.is_connected for c in Client.objects.filter(pk=client.client_id).select_related("node"))


def barrier(client: ContractClient, text: str = "barrier") -> None:
    """Everything the client said before this is dealt with: messages of a stream are stored in order."""
    client.say(log=LogEntry(level="info", message=text))
    wait_until(ClientLog.objects.filter(message=text).exists, 30, "the barrier")


def test_every_payload_is_stored(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        client.register(client_name="alpha", client_type="node", version="1.2", api_url="http://a")
        client.say(status=StatusUpdate(status=CLIENT_STATUS_PAUSED, details="lunch"))
        client.say(
            wallet_update=WalletUpdate(wallet_id="w1", symbol="BTC", balance_available="0.123456789012345678")
        )
        client.say(
            transaction=TransactionReport(
                transaction_id="t1", type="deposit", symbol="ETH", amount="7", status="ok"
            )
        )
        client.say(heartbeat=HeartbeatUpdate())
        client.say(error=ErrorReport(severity="high", message="boom", traceback="line 1"))
        barrier(client)

        stored = Client.objects.get(pk=client.client_id)
        assert (stored.name, stored.type, stored.version, stored.api_url) == (
            "alpha",
            "node",
            "1.2",
            "http://a",
        )
        assert (stored.status, stored.status_details, stored.is_connected) == ("PAUSED", "lunch", True)
        assert Wallet.objects.get(client=stored).available == Decimal("0.123456789012345678")
        assert Transaction.objects.get(client=stored).amount == 7
        assert ClientError.objects.get(client=stored).traceback == "line 1"
    wait_until(lambda: not connected(client), 30, "the disconnect to be noticed")


BAD: list[dict[str, Any]] = [
    {"wallet_update": WalletUpdate(wallet_id="w", symbol="BTC", balance_available="NaN")},
    {"wallet_update": WalletUpdate(wallet_id="w", symbol="BTC", balance_available="-1")},
    {"wallet_update": WalletUpdate(wallet_id="w", symbol="BTC", balance_available="1e999999999")},
    {"wallet_update": WalletUpdate(wallet_id="w", symbol="BTC", balance_available="0." + "1" * 19)},
    {"wallet_update": WalletUpdate(wallet_id="w", symbol="BTC", balance_available="9" * 100_000)},
    {"wallet_update": WalletUpdate(wallet_id="w", symbol="not a symbol", balance_available="1")},
    {"wallet_update": WalletUpdate(wallet_id="", symbol="BTC", balance_available="1")},
    {"transaction": TransactionReport(transaction_id="t", type="theft", symbol="BTC", amount="1")},
    {"transaction": TransactionReport(transaction_id="t", type="deposit", symbol="BTC", amount="")},
    {"transaction": TransactionReport(transaction_id="t" * 1000, type="deposit", symbol="BTC", amount="1")},
    {"status": StatusUpdate(status=CLIENT_STATUS_UNKNOWN)},
    {"status": StatusUpdate(status=77)},  # type: ignore[arg-type]
    {"error": ErrorReport(message="x" * 1_000_000)},
    {"log": LogEntry(message="x" * 1_000_000)},
    {"command_ack": CommandAck(command_id="nobody waits for this", success=True)},
    {"command_ack": CommandAck(success=True)},
    {"register": ClientRegistration(client_name="again")},
    {},
]


def test_a_bad_message_is_refused_and_the_stream_lives(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        client.register(client_name="first")
        for number, payload in enumerate(BAD):
            client.say(**payload)
            barrier(client, f"after {number}")
        assert not Wallet.objects.exists()
        assert not Transaction.objects.exists()
        assert not ClientError.objects.exists()
        assert Client.objects.get(pk=client.client_id).name == "first"


def test_text_with_nul_is_kept_without_it(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        client.register()
        client.say(log=LogEntry(message="a\x00b"))
        wait_until(ClientLog.objects.filter(message="ab").exists, 30, "the log")


def test_older_news_never_overwrite_newer(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        client.register()
        for day, balance in ((2, "2"), (1, "1"), (2, "2.5")):
            update = WalletUpdate(wallet_id="w", symbol="BTC", balance_available=balance)
            update.last_sync.FromDatetime(datetime(2024, 1, day, tzinfo=UTC))
            client.say(wallet_update=update)
            barrier(client, balance)
        assert Wallet.objects.get().available == Decimal("2.5")


def test_a_resent_report_is_stored_once(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        client.register()
        for _ in range(3):
            client.say(message_id="m1", error=ErrorReport(message="once"))
            client.say(
                transaction=TransactionReport(transaction_id="t", type="transfer", symbol="X", amount="1")
            )
        barrier(client)
        assert (ClientError.objects.count(), Transaction.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("client_id", "first", "code"),
    [
        ("not-a-uuid", {"register": ClientRegistration()}, grpc.StatusCode.INVALID_ARGUMENT),
        ("", {"register": ClientRegistration()}, grpc.StatusCode.INVALID_ARGUMENT),
        (None, {"heartbeat": HeartbeatUpdate()}, grpc.StatusCode.FAILED_PRECONDITION),
        (None, {"register": ClientRegistration(client_name="x" * 5_000)}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_bad_first_message_ends_the_stream_with_a_sentence(
    server: StreamingServer, client_id: str | None, first: dict[str, Any], code: grpc.StatusCode
) -> None:
    with ContractClient(server.address) as client:
        client.say(client_id=client_id, **first)
        ended, details = client.end()
    assert ended is code
    assert len(details) > 10


def test_another_id_in_mid_stream_ends_it(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        client.register()
        client.say(client_id="11111111-1111-1111-1111-111111111111", heartbeat=HeartbeatUpdate())
        assert client.end()[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_over_the_size_limit_is_resource_exhausted(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        client.register()
        client.say(log=LogEntry(message="x" * (5 * 1024 * 1024)))
        assert client.end()[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
