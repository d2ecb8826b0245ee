"""The streaming services that live in this process, by name."""

import os
import threading
from typing import Any

from .service import BidirectionalStreamingService

AnyService = BidirectionalStreamingService[Any, Any, Any]

_services: dict[str, AnyService] = {}
_lock = threading.Lock()


def register_streaming_service(name: str, service: AnyService) -> None:
    """Raises ValueError if another service has the name."""
    with _lock:
        if _services.setdefault(name, service) is not service:
            raise ValueError(f"a streaming service named {name!r} is registered already")


def get_streaming_service(name: str) -> AnyService | None:
    """The service whose streams this process holds; None if they live elsewhere."""
    with _lock:
        return _services.get(name)


def list_streaming_services() -> list[str]:
    with _lock:
        return sorted(_services)


def unregister_streaming_service(name: str) -> bool:
    """Returns whether there was one."""
    with _lock:
        return _services.pop(name, None) is not None


def is_registered(name: str) -> bool:
    with _lock:
        return name in _services


def clear_registry() -> None:
    with _lock:
        _services.clear()


def _forget_in_child() -> None:
    # A forked child holds none of its parent's streams, and the lock may have been taken.
    global _lock
    _lock = threading.Lock()
    _services.clear()


os.register_at_fork(after_in_child=_forget_in_child)
