"""How the supervisor finds out that a service is ready, and that a port is free.

`python -m crypto.supervisor.probes HOST:PORT` exits 0 when the gRPC server there is SERVING.
"""

import argparse
import asyncio
import socket
import sys
import urllib.error
import urllib.request

from crypto.supervisor.service import Probe


def is_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could not listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            # With SO_REUSEADDR alone a bind beside a listener on another address succeeds.
            probe.listen(1)
        except OSError:
            return True
    return False


def tcp(port: int) -> Probe:
    async def probe() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    return probe


def http(url: str) -> Probe:
    """Ready when a GET answers 2xx within two seconds."""

    def get() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return 200 <= int(response.status) < 300
        except (urllib.error.URLError, OSError):
            return False

    async def probe() -> bool:
        return await asyncio.to_thread(get)

    return probe


def grpc_health(address: str) -> Probe:
    """Ready when the standard health service answers SERVING.

    Asked by a process of its own: one that has used gRPC can no longer fork.
    """

    async def probe() -> bool:
        asking = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, address, "--wait", "10")
        return await asking.wait() == 0

    return probe


def is_serving(address: str, wait: float) -> bool:
    """Waits up to `wait` seconds for the gRPC server to be there."""
    # Not for the supervisor, which imports this module and forks.
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=wait, wait_for_ready=True)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--wait", type=float, default=5.0, help="seconds (5)")
    options = parser.parse_args()
    return 0 if is_serving(options.address, options.wait) else 1


if __name__ == "__main__":
    sys.exit(main())
