from datetime import UTC
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django_filters.fields import IsoDateTimeField

from crypto.exceptions import InvalidParameters

FRAME = frozenset({"limit", "offset", "format"})
"""Query parameters that every list takes beside its filters."""


class MomentField(IsoDateTimeField):
    def to_python(self, value: Any) -> Any:
        moment = super().to_python(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:
            raise ValidationError("Lies outside of the calendar.") from None


class MomentFilter(django_filters.IsoDateTimeFilter):
    """A point in time, ISO 8601."""

    field_class = MomentField


class FlagField(forms.Field):
    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        try:
            return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
        except KeyError:
            raise ValidationError("Must be true or false.") from None


class FlagFilter(django_filters.BooleanFilter):
    """Django's own reads what it does not understand as "no matter"."""

    field_class = FlagField


class Filters(django_filters.FilterSet):
    """Filters of one list. A parameter it does not know is refused: a typo must not return everything."""

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        unknown = set(data or ()) - set(self.base_filters) - FRAME
        if unknown:
            raise InvalidParameters({name: ["Unknown parameter."] for name in sorted(unknown)})
        super().__init__(data, *args, **kwargs)
