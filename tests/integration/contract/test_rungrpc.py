"""`manage.py rungrpc` as an operator meets it."""

import signal
import socket
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from crypto.models import Client
from tests.fakes.contract_client import ContractClient
from tests.integration.contract.test_unary import ready
from tests.support.live import StreamingServer, live_environment
from tests.support.processes import Process, free_port

pytestmark = pytest.mark.django_db(transaction=True)


def test_services_of_every_app_are_found_healthy_and_reflected(tmp_path: Path) -> None:
    with StreamingServer(tmp_path, DJANGO_SETTINGS_MODULE="tests.bots.settings") as server:
        server.wait()
        with grpc.insecure_channel(server.address) as channel:
            reflected = set(ProtoReflectionDescriptorDatabase(channel).get_services())
            assert {"crypto.CryptoStreamingService", "bots.BotStreaming"} <= reflected
            for name in ("", "crypto.CryptoStreamingService", "bots.BotStreaming"):
                answer = HealthStub(channel).Check(HealthCheckRequest(service=name))
                assert answer.status == HealthCheckResponse.SERVING


def test_sigterm_drains_and_gives_the_clients_back(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        ready(client)
        server.signal(signal.SIGTERM)
        code, details = client.end()
        assert (code, details) == (grpc.StatusCode.UNAVAILABLE, "the server is going away, connect again")
    assert server.popen.wait(20) == 0
    assert not Client.objects.get(pk=client.client_id).is_connected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--host", "192.0.2.1"], "--allow-remote"),
        (["--port", "70000"], "not a port"),
        (["--port", "x"], "invalid int value"),
    ],
)
def test_a_bad_command_line_is_told_in_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    env = live_environment(tmp_path)
    with Process.manage("rungrpc", *arguments, env=env, output=tmp_path / "log") as process:
        assert process.popen.wait(30) == 2
        assert words in process.text
        assert "Traceback" not in process.text


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), StreamingServer(tmp_path, port=port) as server:
        assert server.popen.wait(30) == 2
        assert f"127.0.0.1:{port} is taken" in server.text
        assert "Traceback" not in server.text
