"""Receivers of signals: what follows from saving a model. Connected when the app is ready."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver

from crypto.models import Client, Configuration, Schedule
from crypto.services import schedules
from crypto.services.desired import assignment, configurations, drift, enforcement
from crypto.signals import client_ready


@receiver(pre_save, sender=Schedule, dispatch_uid="crypto.schedule")
def check_schedule(instance: Schedule, raw: bool, **kwargs: Any) -> None:
    """Check and plan a schedule whenever it is saved. Raises InvalidParameters."""
    if not raw:
        schedules.prepare(instance)


@receiver(post_save, sender=Client, dispatch_uid="crypto.standing")
def apply_desired_state(instance: Client, raw: bool, **kwargs: Any) -> None:
    """Changed labels can put a client under other standing orders and give it another configuration."""
    if not raw:
        assignment.apply([instance.pk])
        transaction.on_commit(lambda: drift.remediate([instance.pk]))


@receiver(pre_save, sender=Configuration, dispatch_uid="crypto.configuration.check")
def check_configuration(instance: Configuration, raw: bool, **kwargs: Any) -> None:
    """Check a configuration whenever it is saved. Raises InvalidParameters."""
    if not raw:
        configurations.check(instance)


@receiver(post_save, sender=Configuration, dispatch_uid="crypto.configuration.publish")
def publish_configuration(instance: Configuration, **kwargs: Any) -> None:
    """Give a changed document its version and plan to send it."""
    configurations.publish(instance.pk)
    instance.refresh_from_db()


@receiver(client_ready, dispatch_uid="crypto.ready")
def bring_to_desired_state(client_ids: list[UUID], **kwargs: Any) -> None:
    """Send clients that have just connected what they missed."""
    enforcement.on_ready(client_ids)
    drift.remediate(client_ids)
