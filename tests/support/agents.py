"""Reference agents as processes, for tests on a real streaming server."""

import sys
from pathlib import Path
from uuid import UUID

from crypto.models import Client
from tests.support.live import StreamingServer
from tests.support.processes import Process, environment


class Agents(Process):
    """`python -m crypto.agent` against this server."""

    def __init__(self, server: StreamingServer, data_dir: Path, *arguments: str) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        argv = ("-m", "crypto.agent", "--server", server.address, "--data-dir", str(data_dir), *arguments)
        super().__init__([sys.executable, *argv], environment(data_dir), data_dir / "agents.log")

    def wait_connected(self, *ids: UUID) -> None:
        clients = Client.objects.connected().filter(pk__in=ids)
        self.wait_for(lambda: clients.count() == len(ids), 30, f"{len(ids)} connected clients")
