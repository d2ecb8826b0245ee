"""Balances that are made up, the same ones every time for the same seed and client."""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import blake2b

from crypto.agent.connectors.base import BadOptions, Balance, Transaction

PLACES = -8
"""Balances are counted in units of 10**PLACES."""


class SimulatedConnector:
    """Each reading moves one balance in four; every move is reported as the transaction that made it.

    Options: `symbols`, a list (default BTC, ETH, USDT).
    """

    __slots__ = ("_amounts", "_moves", "_readings", "_seed")

    def __init__(self, client_id: str, seed: int, options: Mapping[str, object]) -> None:
        self._seed = f"{seed}:{client_id}"
        self._amounts = {symbol: self._draw(symbol, 0) for symbol in _symbols(options)}
        self._readings = 0
        self._moves: list[Transaction] = []

    async def balances(self, symbols: tuple[str, ...]) -> list[Balance]:
        self._readings += 1
        held = [symbol for symbol in symbols or self._amounts if symbol in self._amounts]
        for symbol in held:
            self._move(symbol)
        return [
            Balance(f"{symbol.lower()}-main", symbol, self._decimal(self._amounts[symbol])) for symbol in held
        ]

    async def transactions(self) -> list[Transaction]:
        moves, self._moves = self._moves, []
        return moves

    async def close(self) -> None:
        return None

    def _move(self, symbol: str) -> None:
        number = self._draw(symbol, self._readings)
        if number % 4:
            return
        step = number % (self._amounts[symbol] // 10 + 1)
        kind = "withdrawal" if number & 4 else "deposit"
        self._amounts[symbol] += step if kind == "deposit" else -step
        name = blake2b(f"{self._seed}:{symbol}:{self._readings}".encode(), digest_size=16).hexdigest()
        self._moves.append(Transaction(name, kind, symbol, self._decimal(step), "confirmed"))

    def _draw(self, symbol: str, number: int) -> int:
        text = f"{self._seed}:{symbol}:{number}"
        return int.from_bytes(blake2b(text.encode(), digest_size=6).digest()) % 10**13

    @staticmethod
    def _decimal(units: int) -> Decimal:
        return Decimal(units).scaleb(PLACES)


def _symbols(options: Mapping[str, object]) -> list[str]:
    for name in options:
        if name != "symbols":
            raise BadOptions(f"simulated connector: unknown option {name!r}")
    symbols = options.get("symbols", ["BTC", "ETH", "USDT"])
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) and symbol for symbol in symbols):
        raise BadOptions("simulated connector: symbols must be a list of strings")
    return symbols
