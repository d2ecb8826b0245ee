"""Desired configuration: which document a client is to run, its versions, and when a change is sent.

A client runs one document as a whole: its own; else that of the first of its labels, by name, that has one; else the
default.
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
"""A change is sent once nobody has changed it again for so long …"""
PATIENCE = timedelta(seconds=5)
"""… or at the latest so long after the first change that was not sent."""
RACES = 50
SHOWN = 5
"""Errors of a document that are named at once."""


def set_configuration(
    document: object, *, client: UUID | None = None, label: str = "", principal: str = ""
) -> Configuration:
    """Give a client, a label ("name=value") or, with neither, everybody else a document. Raises InvalidParameters.

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
            # If somebody else has just made it, it is there to be changed; else it is what was given that does not fit.
            if not fresh or not of.exists():
                raise
    raise IntegrityError(f"the configuration of {client or label or 'everybody'} comes and goes")


def check(configuration: Configuration) -> None:
    """Raises InvalidParameters, which names every field at fault. Nothing is saved that does not pass."""
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
    """What the schema, and the command that carries it, have against the document."""
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
    """The one way of a document to its clients: if it is not the one that has the present version, it gets the next and
    is planned to be sent. In a transaction; called after every save, and by the check for what bypassed saving.
    """
    now = clock.now()
    with transaction.atomic():
        found = Configuration.objects.select_for_update().get(pk=pk)
        now_is = checksum(found.document)
        if now_is == found.checksum:
            return
        found.version, found.checksum = draw_version(found), now_is
        found.changed_at, found.unsent_since = now, found.unsent_since or now
        found.due_at = min(now + QUIET, found.unsent_since + PATIENCE)
        Configuration.objects.filter(pk=pk).update(
            **{
                name: getattr(found, name)
                for name in ("version", "checksum", "changed_at", "unsent_since", "due_at")
            }
        )


def draw_version(of: Configuration, above: int = 0) -> int:
    """A number that no document ever had, for this one. Raises IntegrityError only if everybody else is faster."""
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
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


class Resolver:
    """Which document is whose."""

    def __init__(self, configurations: list[Configuration]) -> None:
        self._of_client = {c.client_id: c for c in configurations if c.client_id is not None}
        self._of_label = {c.label: c for c in configurations if c.client_id is None}

    def __call__(self, client_id: UUID, labels: Mapping[str, str]) -> Configuration | None:
        """The client's own; else that of its first label, by name; else the default; else none."""
        if client_id in self._of_client:
            return self._of_client[client_id]
        for name in sorted(labels):
            if (found := self._of_label.get(f"{name}={labels[name]}")) is not None:
                return found
        return self._of_label.get("")
