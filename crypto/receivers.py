"""What model changes set in motion. Connected when the app is ready."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver

from crypto.models import Client, Configuration, Schedule
from crypto.services import schedules
from crypto.services.desired import configurations, drift, enforcement, holds
from crypto.signals import client_ready


@receiver(pre_save, sender=Schedule, dispatch_uid="crypto.schedule")
def check_schedule(instance: Schedule, raw: bool, **kwargs: Any) -> None:
    """Whoever saves it, a schedule is checked and planned. Raises InvalidParameters."""
    if not raw:
        schedules.prepare(instance)


@receiver(post_save, sender=Client, dispatch_uid="crypto.standing")
def apply_desired_state(instance: Client, raw: bool, **kwargs: Any) -> None:
    """A client whose labels were changed may come under other standing orders, and run another configuration."""
    if not raw:
        holds.apply([instance.pk])
        transaction.on_commit(lambda: drift.remediate([instance.pk]))


@receiver(pre_save, sender=Configuration, dispatch_uid="crypto.configuration.check")
def check_configuration(instance: Configuration, raw: bool, **kwargs: Any) -> None:
    """Raises InvalidParameters."""
    if not raw:
        configurations.check(instance)


@receiver(post_save, sender=Configuration, dispatch_uid="crypto.configuration.publish")
def publish_configuration(instance: Configuration, **kwargs: Any) -> None:
    configurations.publish(instance.pk)
    instance.refresh_from_db()


@receiver(client_ready, dispatch_uid="crypto.ready")
def tell_ready_clients(client_ids: list[UUID], **kwargs: Any) -> None:
    enforcement.on_ready(client_ids)
    drift.remediate(client_ids)
