"""How the supervisor finds out that a service is ready."""

import asyncio
import sys
import urllib.error
import urllib.request

from crypto.supervisor.service import Probe


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
        asking = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "crypto.supervisor.grpc_health", address, "--wait", "10"
        )
        return await asking.wait() == 0

    return probe
