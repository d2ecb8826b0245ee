"""The package's settings: `CRYPTO_…` in Django's, each with its default, read when it is used."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

SECONDS = (1.0, 3600.0)
"""Bounds of the leases, in seconds."""
DEFAULTS: dict[str, Any] = {
    "CRYPTO_NODE_LEASE": 15.0,
    "CRYPTO_LEASE_MARGIN": 15.0,
    "CRYPTO_WORKER_WINDOW": 4_000,
    "CRYPTO_CONFIG_SCHEMA": {"type": "object"},
    "CRYPTO_STREAMING": {},
}


class Conf:
    """Raises ImproperlyConfigured if the value of a setting cannot be used; `manage.py check` finds it before."""

    @property
    def node_lease(self) -> float:
        """Seconds without a renewal after which a streaming node is dead and its clients count as disconnected."""
        return _seconds("CRYPTO_NODE_LEASE")

    @property
    def lease_margin(self) -> float:
        """Seconds after its ack timeout at which the sweeper ends an attempt whose worker has gone."""
        return _seconds("CRYPTO_LEASE_MARGIN")

    @property
    def worker_window(self) -> int:
        """Commands from the lanes that one process has in flight, at most."""
        value = _get("CRYPTO_WORKER_WINDOW")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ImproperlyConfigured(f"CRYPTO_WORKER_WINDOW is a whole number from 1, not {value!r}")
        return value

    @property
    def config_schema(self) -> Mapping[str, Any]:
        """JSON schema that every configuration document of a client has to satisfy."""
        return _mapping("CRYPTO_CONFIG_SCHEMA")

    @property
    def streaming(self) -> Mapping[str, Any]:
        """What differs from the defaults of `StreamingConfig`, by name."""
        return _mapping("CRYPTO_STREAMING")


conf = Conf()


def _get(name: str) -> Any:
    return getattr(settings, name, DEFAULTS[name])


def _seconds(name: str) -> float:
    value = _get(name)
    least, most = SECONDS
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ImproperlyConfigured(f"{name} is a number of seconds from {least:g} to {most:g}, not {value!r}")
    return float(value)


def _mapping(name: str) -> Mapping[str, Any]:
    value = _get(name)
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured(f"{name} is a dictionary, not {type(value).__name__}")
    return value
