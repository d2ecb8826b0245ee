from django.contrib import admin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from crypto.admin.reading import Reading
from crypto.models import Wallet
from crypto.models.amount import PLACES


def amount(value: object) -> str:
    """Without the zeros that fill the column's places."""
    text = f"{value:.{PLACES}f}"
    return text.rstrip("0").rstrip(".")


@admin.register(Wallet)
class WalletAdmin(Reading):
    list_display = ("wallet_id", "symbol", "shown_available", "shown_locked", "client", "last_sync")
    list_filter = ("symbol", ("client", AutocompleteSelectFilter), ("last_sync", RangeDateTimeFilter))
    search_fields = ("wallet_id", "=client__id", "client__name")
    list_select_related = ("client",)

    @display(description="available", ordering="available")
    def shown_available(self, wallet: Wallet) -> str:
        return amount(wallet.available)

    @display(description="locked", ordering="locked")
    def shown_locked(self, wallet: Wallet) -> str:
        return amount(wallet.locked)
