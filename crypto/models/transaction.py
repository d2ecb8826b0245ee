from django.db import models

from crypto.models.amount import AmountField
from crypto.models.client import Client


class TransactionType(models.TextChoices):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"


class Transaction(models.Model):
    """A transaction that a client reported. It is stored once, by the client's id for it."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="transactions")
    transaction_id = models.CharField(max_length=128)
    type = models.CharField(max_length=16, choices=TransactionType)
    symbol = models.CharField(max_length=20, db_index=True)
    amount = AmountField()
    status = models.CharField(max_length=64, blank=True)
    details = models.TextField(blank=True)
    reported_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-reported_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("client", "transaction_id"), name="transaction_once_per_client")
        ]

    def __str__(self) -> str:
        return self.transaction_id
