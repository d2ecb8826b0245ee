"""`python -m crypto.supervisor.grpc_health host:port`: exits 0 when the server there is SERVING."""

import argparse
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def serving(address: str, wait: float) -> bool:
    """Waits up to `wait` seconds for the server to be there."""
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
    return 0 if serving(options.address, options.wait) else 1


if __name__ == "__main__":
    sys.exit(main())
