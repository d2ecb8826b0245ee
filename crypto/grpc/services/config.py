"""The streaming service's settings, from Django's."""

from typing import Any

from django.conf import settings

from crypto.grpc.streaming import StreamingConfig


def streaming_config() -> StreamingConfig:
    """`STREAMING` in Django's settings overrides the defaults by name. Raises TypeError for names unknown."""
    overrides: dict[str, Any] = getattr(settings, "STREAMING", {})
    return StreamingConfig(**overrides)
