import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from crypto.supervisor.secret import kept_secret
from project.env import Environment


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that sets nothing but the data directory."""
    for name in ("DEBUG", "SECRET_KEY", "DATABASE_URL", "REDIS_URL", "LOG_FORMAT", "HTTPS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "var"))
    return monkeypatch


def test_embedded_installation_needs_nothing_and_keeps_its_key(bare: pytest.MonkeyPatch) -> None:
    first = Environment.read()
    assert first.database_url is None
    assert first.redis_url is None
    assert not first.debug
    assert Environment.read().secret_key == first.secret_key


def test_secret_key_is_required_beside_a_database(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("DATABASE_URL", "postgres://database/orchestrator")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        Environment.read()
    bare.setenv("DEBUG", "true")
    assert Environment.read().secret_key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_FORMAT", "yaml"),
        ("DATABASE_CONN_MAX_AGE", "soon"),
        ("DATABASE_POOL", "many"),
        ("NODE_LEASE", "soon"),
        ("LEASE_MARGIN", "0"),
    ],
)
def test_malformed_values_are_named(bare: pytest.MonkeyPatch, name: str, value: str) -> None:
    bare.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=f"{name}|{value}"):
        Environment.read()


def test_secret_is_the_same_for_all_who_ask_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        secrets = set(threads.map(lambda _: kept_secret(tmp_path / "secret"), range(50)))
    assert len(secrets) == 1
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
