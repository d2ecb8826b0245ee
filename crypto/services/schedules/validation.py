"""Validation of schedules."""

from collections.abc import Callable
from datetime import datetime

from django.core.exceptions import ValidationError

from crypto.exceptions import InvalidParameters, UnknownCommand
from crypto.models import Schedule, clock
from crypto.services.ledger.issue import command
from crypto.services.operations.selectors import compile_selector
from crypto.services.schedules import occurrences

TIMING = (
    "cron", "interval", "time_zone", "jitter", "enabled", "start", "end", "window_start", "window_end"
)  # fmt: skip
Check = Callable[[Schedule], object]
"""Raises InvalidParameters."""


def check(schedule: Schedule, now: datetime | None = None) -> None:
    """Raises InvalidParameters, which names every wrong field. Called before every save.

    A schedule that is disabled and otherwise unchanged always passes, so that a broken one can be disabled.
    """
    if (
        not schedule.enabled
        and schedule.pk
        and _same(schedule, Schedule.objects.filter(pk=schedule.pk).first())
    ):
        return
    errors: dict[str, list[str]] = {}
    try:
        schedule.full_clean(validate_constraints=False)
    except ValidationError as invalid:
        errors |= invalid.message_dict
    moment = now or clock.now()
    for fields, one in (
        (("command", "params"), _check_command),
        (("selector",), _check_selector),
        (TIMING, lambda s: occurrences.check(s, moment)),
    ):
        if errors.keys().isdisjoint(fields):
            errors |= errors_of(one, schedule)
    if errors:
        raise InvalidParameters(errors)


def problem(schedule: Schedule) -> str:
    """Why the schedule cannot run, in one text; empty if it can. A saved schedule may break when the code changes."""
    checks: tuple[Check, ...] = (_check_command, _check_selector, occurrences.recurrence)
    errors = {field: sentences for one in checks for field, sentences in errors_of(one, schedule).items()}
    return " ".join(f"{field}: {' '.join(sentences)}" for field, sentences in errors.items())


def _same(schedule: Schedule, before: Schedule | None) -> bool:
    """Whether nothing but `enabled` differs."""
    return before is not None and all(
        getattr(before, field.attname) == getattr(schedule, field.attname)
        for field in Schedule._meta.concrete_fields
        if field.editable and field.name != "enabled"
    )


def errors_of(check: Check, schedule: Schedule) -> dict[str, list[str]]:
    """The errors by field; empty if the check passes."""
    try:
        check(schedule)
    except InvalidParameters as wrong:
        return wrong.errors
    return {}


def _check_command(schedule: Schedule) -> None:
    if not isinstance(schedule.params, dict):
        raise InvalidParameters({"params": ["Must be an object."]})
    try:
        command(schedule.command, schedule.params)
    except UnknownCommand as error:
        raise InvalidParameters({"command": [f"{error}."]}) from None
    except InvalidParameters as wrong:
        raise _within("params", wrong) from None


def _check_selector(schedule: Schedule) -> None:
    try:
        compile_selector(schedule.selector)
    except InvalidParameters as wrong:
        raise _within("selector", wrong) from None


def _within(field: str, wrong: InvalidParameters) -> InvalidParameters:
    """All errors as errors of one field: forms show errors by field."""
    return InvalidParameters(
        {
            field: [
                sentence if name == field else f"{name}: {sentence}"
                for name, sentences in wrong.errors.items()
                for sentence in sentences
            ]
        }
    )
