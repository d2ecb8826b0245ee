"""What `manage.py check` says of this app in the project that it is installed in."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

import dramatiq
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models

from crypto.commands import registry
from crypto.conf import DEFAULTS, Conf, conf
from crypto.grpc.streaming import StreamingConfig
from crypto.models import CommandLog
from crypto.wire.crypto_streaming_pb2 import DjangoCommand

VENDORS = ("postgresql", "sqlite")
ANSWERS = frozenset({"message_ack", "journal_ack", "reconnect"})
"""Fields of `DjangoCommand`'s oneof that are no commands."""


@register(Tags.compatibility)
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """CRYPTO_… settings: values that cannot be used, names that nobody reads."""
    found: list[CheckMessage] = []
    readers: Iterable[Callable[[], object]] = [
        *(
            lambda name=name: getattr(conf, name)
            for name, of in vars(Conf).items()
            if isinstance(of, property)
        ),
        lambda: StreamingConfig(**conf.streaming),
    ]
    for read in readers:
        try:
            read()
        except (ImproperlyConfigured, TypeError, ValueError) as error:
            found.append(Error(str(error), id="crypto.E001"))
    for name in dir(settings):
        if name.startswith("CRYPTO_") and name not in DEFAULTS:
            near = get_close_matches(name, DEFAULTS, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(sorted(DEFAULTS))}."
            found.append(Warning(f"The setting {name} is read by nobody.", hint=hint, id="crypto.W001"))
    if not settings.USE_TZ:
        found.append(Error("USE_TZ is False: all times here carry their zone.", id="crypto.E002"))
    return found


@register(Tags.compatibility)
def check_broker(**kwargs: Any) -> list[CheckMessage]:
    """Commands are delivered by Dramatiq workers."""
    found: list[CheckMessage] = []
    if dramatiq.broker.global_broker is None:
        found.append(
            Error(
                "There is no Dramatiq broker: commands would be recorded and never delivered.",
                hint="Put django_dramatiq into INSTALLED_APPS and set DRAMATIQ_BROKER, or call dramatiq.set_broker().",
                id="crypto.E003",
            )
        )
    if not apps.is_installed("workers"):
        found.append(
            Warning(
                "workers is not in INSTALLED_APPS: no worker process knows the actor that delivers commands.",
                hint="Add workers, after crypto.",
                id="crypto.W002",
            )
        )
    return found


@register(Tags.models)
def check_registry(**kwargs: Any) -> list[CheckMessage]:
    """Every command of the wire has its class. (A class without its field fails at import.)"""
    fields = DjangoCommand.DESCRIPTOR.oneofs_by_name["command"].fields
    missing = sorted({field.name for field in fields} - ANSWERS - registry.keys())
    return [
        Error(
            f"DjangoCommand has the command {name!r}, and crypto.commands no class for it.",
            hint="See docs/commands.md: a command is one file in crypto/commands.",
            id="crypto.E004",
        )
        for name in missing
    ]


@register(Tags.database)
def check_database(databases: Iterable[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """The ledger's database: one that its statements are written for, opened so that writers wait for each other."""
    alias = _alias_of(CommandLog)
    if databases is not None and alias not in databases:
        return []
    connection = connections[alias]
    if connection.vendor not in VENDORS:
        known = " or ".join(VENDORS)
        return [Error(f"The ledger's database is {connection.vendor}; it must be {known}.", id="crypto.E005")]
    if connection.vendor != "sqlite":
        return []
    options = connection.settings_dict.get("OPTIONS", {})
    found: list[CheckMessage] = []
    if str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
        found.append(
            Warning(
                "SQLite without transaction_mode IMMEDIATE: writers fail with 'database is locked'.",
                hint='Set OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": '
                '"PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"}.',
                id="crypto.W003",
            )
        )
    if "WAL" not in str(options.get("init_command", "")).upper():
        found.append(
            Warning(
                "SQLite without WAL: whoever reads waits for whoever writes.",
                hint='Set OPTIONS["init_command"] = "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;".',
                id="crypto.W004",
            )
        )
    return found


def _alias_of(model: type[models.Model]) -> str:
    """The database in which this model's rows are written."""
    return model._default_manager.db_manager().db
