"""The process environment. Nothing else reads it."""

from dataclasses import dataclass
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from crypto.supervisor.secret import kept_secret

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Environment:
    debug: bool
    secret_key: str
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]
    https: bool
    """The site is reached over TLS: redirect to it, HSTS, secure cookies."""
    data_dir: Path
    """Files of the embedded parts."""
    database_url: str | None
    """None: SQLite in the data directory."""
    database_conn_max_age: int
    """Seconds a database connection is reused; 0 closes it after every unit of work."""
    database_pool: int
    """Size of the pool of PostgreSQL connections in each process; 0: one connection for each thread."""
    redis_url: str | None
    """None: the in-memory broker, whose messages are lost with the process."""
    node_lease: float
    """Seconds without a renewal after which a streaming node is dead and its clients count as disconnected."""
    lease_margin: float
    """Seconds after its ack timeout at which the sweeper ends an attempt whose worker has gone."""
    worker_window: int
    """Commands that one process has in flight from the lanes, at most."""
    log_format: str
    log_level: str
    config_schema: Path | None
    """JSON schema of configuration documents; None: any object is accepted."""
    worker_metrics_port: int | None
    """None: workers export no metrics."""

    @classmethod
    def read(cls) -> "Environment":
        """Raises ImproperlyConfigured if a variable is missing or malformed."""
        env = environ.Env()
        data_dir = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
        data_dir.mkdir(parents=True, exist_ok=True)
        debug = env.bool("DEBUG", default=False)
        database_url = env.str("DATABASE_URL", default="") or None
        log_format = env.str("LOG_FORMAT", default="console")
        if log_format not in ("console", "json"):
            raise ImproperlyConfigured(f"LOG_FORMAT is console or json, not {log_format!r}")
        return cls(
            debug=debug,
            secret_key=env.str("SECRET_KEY", default="") or _own_secret_key(data_dir, debug, database_url),
            allowed_hosts=tuple(env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])),
            csrf_trusted_origins=tuple(env.list("CSRF_TRUSTED_ORIGINS", default=[])),
            https=env.bool("HTTPS", default=False),
            data_dir=data_dir,
            database_url=database_url,
            database_conn_max_age=_number(env, "DATABASE_CONN_MAX_AGE", 60),
            database_pool=_number(env, "DATABASE_POOL", 0),
            redis_url=env.str("REDIS_URL", default="") or None,
            node_lease=_seconds(env, "NODE_LEASE", 15),
            lease_margin=_seconds(env, "LEASE_MARGIN", 15),
            worker_window=_number(env, "WORKER_WINDOW", 4_000),
            log_format=log_format,
            log_level=env.str("LOG_LEVEL", default="INFO").upper(),
            config_schema=Path(schema) if (schema := env.str("CRYPTO_CONFIG_SCHEMA", default="")) else None,
            worker_metrics_port=_number(env, "WORKER_METRICS_PORT", 0) or None,
        )


def _number(env: environ.Env, name: str, default: int) -> int:
    try:
        return int(env.str(name, default=str(default)))
    except ValueError:
        raise ImproperlyConfigured(f"{name} is a whole number, not {env.str(name)!r}") from None


def _seconds(env: environ.Env, name: str, default: float) -> float:
    text = env.str(name, default=str(default))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        raise ImproperlyConfigured(f"{name} is a number of seconds between 1 and 3600, not {text!r}")
    return seconds


def _own_secret_key(data_dir: Path, debug: bool, database_url: str | None) -> str:
    """Embedded and debugging installations make a key of their own; all others must set SECRET_KEY."""
    if database_url is not None and not debug:
        raise ImproperlyConfigured("SECRET_KEY is required when DATABASE_URL is set")
    return kept_secret(data_dir / "secret_key")
