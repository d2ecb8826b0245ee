from decimal import Decimal
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

DIGITS = 60
PLACES = 18
"""Amounts hold 42 digits before and 18 after the point: every amount of an 18-decimal token."""
LIMIT = Decimal(10) ** (DIGITS - PLACES)


class AmountField(models.DecimalField):  # type: ignore[type-arg]
    """A non-negative decimal that every database keeps to the last digit.

    SQLite would make a 15-digit float of it; there it is text of fixed width, which sorts like the number.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": DIGITS, "decimal_places": PLACES, **options})

    def get_internal_type(self) -> str:
        return "AmountField"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "text" if connection.vendor == "sqlite" else f"numeric({DIGITS}, {PLACES})"

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        number = self.to_python(value)
        if number is None or connection.vendor != "sqlite":
            return number
        return f"{number:0{DIGITS + 1}.{PLACES}f}"

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        return value if hasattr(value, "as_sql") else self.get_db_prep_value(value, connection)

    def from_db_value(
        self, value: Any, expression: object, connection: BaseDatabaseWrapper
    ) -> Decimal | None:
        return None if value is None else Decimal(value)
