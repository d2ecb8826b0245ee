"""The roles of an installation, each as the service that `manage.py up` keeps running."""

import sys
from dataclasses import dataclass
from pathlib import Path

from crypto.supervisor import probes
from crypto.supervisor import redis as embedded_redis
from crypto.supervisor.service import Probe, Service


@dataclass(frozen=True)
class Installation:
    data_dir: Path
    port_web: int
    port_grpc: int
    port_redis: int
    redis_url: str | None
    """None: no Redis anywhere, each process keeps its messages in memory."""
    own_redis: Path | None
    """The server to run; None where Redis runs already or does not exist."""

    @property
    def streaming_address(self) -> str:
        return f"127.0.0.1:{self.port_grpc}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port_web}"

    def service(self, name: str, *arguments: str, ready: Probe | Path, grace: float = 10.0) -> Service:
        """A Python process of the project, with the addresses of the others in its environment."""
        env = {"STREAMING_ADDRESS": self.streaming_address, "DATA_DIR": str(self.data_dir)}
        if self.redis_url is not None:
            env["REDIS_URL"] = self.redis_url
        return Service(name, (sys.executable, *arguments), ready, env, grace=grace)

    def ready_file(self, name: str) -> Path:
        return self.data_dir / "run" / f"{name}.ready"


def redis(here: Installation, server: Path) -> Service:
    argv = embedded_redis.command(server, here.port_redis, here.data_dir / "redis")
    return Service("redis", tuple(argv), probes.tcp(here.port_redis), grace=5)


def server(here: Installation) -> Service:
    return here.service(
        "server",
        *("manage.py", "rungrpc", "--host", "127.0.0.1", "--port", str(here.port_grpc)),
        ready=probes.grpc_health(here.streaming_address),
    )


def web(here: Installation) -> Service:
    return here.service(
        "web",
        *("-m", "uvicorn", "project.asgi:application", "--host", "127.0.0.1", "--port", str(here.port_web)),
        *("--lifespan", "off", "--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "5"),
        ready=probes.http(f"{here.url}/health/ready"),
    )


def workers(here: Installation, name: str, queues: tuple[str, ...], processes: int, threads: int) -> Service:
    return here.service(
        name,
        *("manage.py", "rundramatiq", "--processes", str(processes), "--threads", str(threads)),
        *("--skip-logging", "--worker-shutdown-timeout", "10000", "--queues", *queues),
        ready=here.ready_file(name),
        grace=25,
    )


def scheduler(here: Installation) -> Service:
    return here.service("scheduler", "manage.py", "scheduler", ready=here.ready_file("scheduler"))


def agents(here: Installation, count: int, ready: Probe) -> Service:
    data_dir = here.data_dir / "agents"
    return here.service(
        "agents",
        *("-m", "crypto.agent", "--server", here.streaming_address),
        *("--fleet", str(count), "--data-dir", str(data_dir)),
        ready=ready,
    )
