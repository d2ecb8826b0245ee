"""Real processes on the running test's own database: what they write, the test reads through its models.

For tests with `transaction=True`, on whichever database the suite runs.
"""

import sys
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from tests.support.processes import Process, environment, free_port


def database_url() -> str:
    """DATABASE_URL of the test database."""
    at = connection.settings_dict
    name = str(at["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    user, password = (quote(str(at[key] or ""), safe="") for key in ("USER", "PASSWORD"))
    login = f"{user}:{password}" if password else user
    # The host may be the directory of a socket, which has no place before the path.
    host = at["HOST"] or at["OPTIONS"].get("host", "")
    return f"postgres://{login}@:{at['PORT'] or 5432}/{name}?host={host}"


def live_environment(data_dir: Path, **overrides: str) -> dict[str, str]:
    """Like `environment`, on the test database."""
    return environment(data_dir, DATABASE_URL=database_url(), **overrides)


class StreamingServer(Process):
    """`manage.py rungrpc` on a port of its own."""

    def __init__(self, data_dir: Path, *arguments: str, port: int = 0, **overrides: str) -> None:
        self.port = port or free_port()
        argv = ["manage.py", "rungrpc", "--port", str(self.port), *arguments]
        env = live_environment(data_dir, **overrides)
        super().__init__([sys.executable, *argv], env, data_dir / "rungrpc.log")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def wait(self) -> None:
        self.wait_for_text("streaming server listens")
