"""What every source of balances offers."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Balance:
    wallet_id: str
    symbol: str
    available: Decimal
    locked: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Transaction:
    transaction_id: str
    type: str
    """"deposit", "withdrawal" or "transfer"."""
    symbol: str
    amount: Decimal
    status: str
    details: str = ""


class BadOptions(Exception):
    """Raised when a connector's options do not fit; the text names the option."""


class WalletConnector(Protocol):
    """Used by one client, on its event loop, so it must not block."""

    async def balances(self, symbols: tuple[str, ...]) -> list[Balance]:
        """Current balances of these symbols, all of them if none is named; symbols not held are left out."""

    async def transactions(self) -> list[Transaction]:
        """What moved since the last call; a connector that cannot tell returns nothing."""

    async def close(self) -> None: ...
