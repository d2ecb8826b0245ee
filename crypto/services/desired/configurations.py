"""Configurations: which document a client is to run, the versions of documents, and when a change is sent.

A client runs exactly one document: its own; else that of the first of its labels (sorted by name) that has one; else
the default.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from jsonschema import Draft202012Validator

from crypto.commands.update_config import UpdateConfig
from crypto.conf import conf
from crypto.exceptions import InvalidParameters
from crypto.models import Configuration, ConfigurationVersion, clock
from crypto.services.labels import LABEL

QUIET = timedelta(seconds=1)
"""A changed document is sent once it has stayed unchanged for this long …"""
LONGEST_DELAY = timedelta(seconds=5)
"""… and at the latest this long after the first change that was not sent."""
RACES = 50
"""Tries to insert a row that other transactions are inserting at the same time."""
SHOWN = 5
"""Errors of a document that are listed, at most."""


def set_configuration(
    document: object, *, client: UUID | None = None, label: str = "", principal: str = ""
) -> Configuration:
    """Set the document of a client, of a label ("name=value") or, with neither, the default. Raises InvalidParameters.

    It is sent soon after commit. Saving a `Configuration` anywhere has the same effect.
    """
    of = Configuration.objects.filter(client=client, label=label)
    for _ in range(RACES):
        fresh = False
        try:
            with transaction.atomic():
                found = of.select_for_update().first() or Configuration(client_id=client, label=label)
                fresh = found.pk is None
                found.document, found.principal = document, principal[:200]
                found.save()
                return found
        except (IntegrityError, InvalidParameters):
            # If another transaction has just inserted it, try again; else what was given is wrong.
            if not fresh or not of.exists():
                raise
    raise IntegrityError(f"the configuration of {client or label or 'everybody'} comes and goes")


def check(configuration: Configuration) -> None:
    """Raises InvalidParameters, which names every wrong field. Called before every save."""
    errors: dict[str, list[str]] = {}
    try:
        configuration.full_clean()
    except ValidationError as invalid:
        errors |= invalid.message_dict
    name, sign, _ = configuration.label.partition("=")
    if configuration.label and (not sign or not LABEL.fullmatch(name)):
        errors["label"] = ["Must be name=value."]
    if configuration.label and configuration.client_id is not None:
        errors = {"label": ["Either a client or a label can be given, not both."]}
    if "document" not in errors and (wrong := document_errors(configuration.document)):
        errors["document"] = wrong
    if "__all__" in errors:
        errors["label"] = errors.pop("__all__")
    if errors:
        raise InvalidParameters(errors)


def document_errors(document: object) -> list[str]:
    """Why the schema, or the command that carries it, does not accept the document; empty if both do."""
    try:
        UpdateConfig.parse({"document": document})
    except InvalidParameters as wrong:
        return wrong.errors["document"]
    validator = Draft202012Validator(conf.config_schema)
    return [
        f"{error.json_path}: {error.message[:200]}"
        for error, _ in zip(validator.iter_errors(document), range(SHOWN), strict=False)
    ]


def publish(pk: int) -> None:
    """Give a document that has changed the next version, and plan to send it. Safe to repeat.

    Called after every save, and by a tick for documents that were changed without `save`.
    """
    now = clock.now()
    with transaction.atomic():
        found = Configuration.objects.select_for_update().get(pk=pk)
        now_is = checksum(found.document)
        if now_is == found.checksum:
            return
        found.version, found.checksum = draw_version(found), now_is
        found.changed_at, found.unsent_since = now, found.unsent_since or now
        found.due_at = min(now + QUIET, found.unsent_since + LONGEST_DELAY)
        Configuration.objects.filter(pk=pk).update(
            **{
                name: getattr(found, name)
                for name in ("version", "checksum", "changed_at", "unsent_since", "due_at")
            }
        )


def draw_version(of: Configuration, above: int = 0) -> int:
    """A version number for this document that no document ever had. Raises IntegrityError after RACES lost races."""
    for _ in range(RACES):
        last = ConfigurationVersion.objects.aggregate(last=Max("version"))["last"] or 0
        drawn = ConfigurationVersion(
            version=max(last, above) + 1,
            configuration=of,
            document=of.document,
            checksum=checksum(of.document),
            principal=of.principal,
        )
        try:
            with transaction.atomic():
                drawn.save(force_insert=True)
                return drawn.version
        except IntegrityError:
            continue
    raise IntegrityError("no version number is to be had")


def checksum(document: object) -> str:
    """Equal for documents that are equal as JSON."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


class Resolver:
    """Finds the configuration of a client."""

    def __init__(self, configurations: list[Configuration]) -> None:
        self._of_client = {c.client_id: c for c in configurations if c.client_id is not None}
        self._of_label = {c.label: c for c in configurations if c.client_id is None}

    def __call__(self, client_id: UUID, labels: Mapping[str, str]) -> Configuration | None:
        """The client's own; else that of its first label, sorted by name; else the default; else None."""
        if client_id in self._of_client:
            return self._of_client[client_id]
        for name in sorted(labels):
            if (found := self._of_label.get(f"{name}={labels[name]}")) is not None:
                return found
        return self._of_label.get("")
