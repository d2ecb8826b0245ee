"""Logging: structlog renders everything, the standard library's records included."""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_KEYS = re.compile(r"token|password|secret|authorization|api_key|cookie", re.IGNORECASE)
SECRET_TEXT = re.compile(
    r"((?:token|password|secret|authorization|api_key)\w*[\"']?\s*[=:]\s*(?:(?:token|bearer|basic)\s+)?[\"']?)"
    r"[^\s\"',;&]+|(://[^:/\s]*:)[^@/\s]+(?=@)",
    re.IGNORECASE,
)
MASK = "***"


def mask_secrets(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hides values whose key says secret, and secrets written out in the message."""
    for key, value in event.items():
        if key != "event" and SECRET_KEYS.search(key):
            event[key] = MASK
        elif isinstance(value, str):
            event[key] = SECRET_TEXT.sub(lambda found: (found[1] or found[2]) + MASK, value)
    return event


PROBES = ("/health/live", "/health/ready", "/metrics")


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """False for the start of a request (its end is logged) and for probes, which come every few seconds."""
    event = record.msg
    if not isinstance(event, dict):
        return True
    return event.get("event") != "request_started" and not str(event.get("request", "")).endswith(PROBES)


def drop_color_message(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Remove uvicorn's second copy of the message."""
    event.pop("color_message", None)
    return event


SHARED: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def logging_config(log_format: str, level: str) -> dict[str, Any]:
    """What Django's LOGGING setting takes. Everything goes to standard error."""
    renderers: dict[str, list[structlog.types.Processor]] = {
        "json": [structlog.processors.JSONRenderer()],
        "console": [
            structlog.dev.ConsoleRenderer(
                colors=False, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
            )
        ],
    }
    through_root: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structlog": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    # Plain text: the prettier ones show local variables, and those hold secrets.
                    structlog.processors.format_exc_info,
                    mask_secrets,
                    drop_color_message,
                    *renderers[log_format],
                ],
                "foreign_pre_chain": [*SHARED, structlog.stdlib.ExtraAdder()],
            },
        },
        "filters": {"worth_a_line": {"()": lambda: is_worth_a_line}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "structlog",
                "filters": ["worth_a_line"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "uvicorn": through_root,
            "uvicorn.error": through_root,
            "uvicorn.access": {"handlers": [], "propagate": False},
            "django.server": through_root,
            "httpx": {"level": "WARNING"},
            "dramatiq": {"level": level},
        },
    }
