from django.contrib import admin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from crypto.admin.reading import Reading
from crypto.admin.wallet import amount
from crypto.models import Transaction


@admin.register(Transaction)
class TransactionAdmin(Reading):
    list_display = ("transaction_id", "type", "symbol", "shown_amount", "status", "client", "reported_at")
    list_filter = (
        ("type", ChoicesDropdownFilter),
        "symbol",
        ("client", AutocompleteSelectFilter),
        ("reported_at", RangeDateTimeFilter),
    )
    search_fields = ("transaction_id", "=client__id", "client__name")
    list_select_related = ("client",)

    @display(description="amount", ordering="amount")
    def shown_amount(self, transaction: Transaction) -> str:
        return amount(transaction.amount)
