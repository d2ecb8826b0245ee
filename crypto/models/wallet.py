from django.db import models

from crypto.models.amount import AmountField
from crypto.models.client import Client


class Wallet(models.Model):
    """One balance of one client, as the client last reported it."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="wallets")
    wallet_id = models.CharField(max_length=128)
    symbol = models.CharField(max_length=20, db_index=True)
    available = AmountField(default=0)
    locked = AmountField(default=0)
    last_sync = models.DateTimeField(
        help_text="When the client read the balance; an older reading never overwrites."
    )
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("client", "symbol", "wallet_id")
        constraints = [
            models.UniqueConstraint(fields=("client", "wallet_id", "symbol"), name="wallet_once_per_client")
        ]

    def __str__(self) -> str:
        return f"{self.wallet_id} {self.symbol}"
