"""The streaming service's settings, from Django's."""

from crypto.conf import conf
from crypto.grpc.streaming import StreamingConfig


def streaming_config() -> StreamingConfig:
    """`CRYPTO_STREAMING` in Django's settings overrides the defaults by name. Raises TypeError for names unknown."""
    return StreamingConfig(**conf.streaming)
