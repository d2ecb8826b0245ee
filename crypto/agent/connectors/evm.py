"""Balances of watched addresses on an Ethereum chain, from any JSON-RPC node. Needs the extra `evm`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.contract import AsyncContract

from crypto.agent.connectors.base import BadOptions, Balance, Transaction

BATCH = 100
"""Calls in one request; nodes refuse much more."""

ETHER_DECIMALS = 18

ERC20 = [
    {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": [{"name": "owner", "type": kind} for kind in inputs],
        "outputs": [{"name": "", "type": output}],
    }
    for name, inputs, output in (
        ("balanceOf", ["address"], "uint256"),
        ("decimals", [], "uint8"),
        ("symbol", [], "string"),
    )
]


@dataclass(frozen=True, slots=True)
class Coin:
    """The chain's own coin, or a token on it."""

    symbol: str
    decimals: int
    contract: AsyncContract | None = None

    def amount(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-self.decimals)


@dataclass(frozen=True, slots=True)
class Token:
    address: ChecksumAddress
    symbol: str
    decimals: int | None


Question = Callable[[], Any]
"""Makes the call to the node that `batch.add` takes."""


class EvmConnector:
    """Ether and ERC-20 balances; the wallet id is the address.

    Options: `rpc_url`; `addresses`, a list; `native`, the symbol of the chain's coin (default ETH); `tokens`, a list
    of objects with `address` and, where the chain's own answer is not wanted, `symbol` and `decimals`.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        known = {"rpc_url", "addresses", "native", "tokens"}
        if unknown := sorted(set(options) - known):
            raise BadOptions(f"evm connector: unknown option {unknown[0]!r}")
        self._provider = AsyncHTTPProvider(_text(options, "rpc_url"))
        self._web3 = AsyncWeb3(self._provider)
        self._addresses = [_address(value) for value in _list(options, "addresses")]
        if not self._addresses:
            raise BadOptions("evm connector: addresses must not be empty")
        self._tokens = [_token(value) for value in _list(options, "tokens")]
        self._native = Coin(_text(options, "native", "ETH"), ETHER_DECIMALS)
        self._coins: list[Coin] = []

    async def balances(self, symbols: tuple[str, ...]) -> list[Balance]:
        if not self._coins:
            self._coins = [self._native, *await self._describe_tokens()]
        wanted = [
            (address, coin)
            for address in self._addresses
            for coin in self._coins
            if not symbols or coin.symbol in symbols
        ]
        units = await self._ask([self._question(address, coin) for address, coin in wanted])
        return [
            Balance(address, coin.symbol, coin.amount(unit))
            for (address, coin), unit in zip(wanted, units, strict=True)
        ]

    async def transactions(self) -> list[Transaction]:
        return []

    async def close(self) -> None:
        await self._provider.disconnect()

    def _question(self, address: ChecksumAddress, coin: Coin) -> Question:
        if coin.contract is None:
            return partial(self._web3.eth.get_balance, address)
        return partial(coin.contract.functions.balanceOf, address)

    async def _describe_tokens(self) -> list[Coin]:
        """The tokens as coins, with symbol and decimals from their contracts where the options do not name them."""
        contracts = [self._web3.eth.contract(token.address, abi=ERC20) for token in self._tokens]
        answers = await self._ask(
            [question for c in contracts for question in (c.functions.symbol, c.functions.decimals)]
        )
        return [
            Coin(token.symbol or symbol, decimals if token.decimals is None else token.decimals, contract)
            for token, contract, symbol, decimals in zip(
                self._tokens, contracts, answers[::2], answers[1::2], strict=True
            )
        ]

    async def _ask(self, questions: list[Question]) -> list[Any]:
        answers: list[Any] = []
        for start in range(0, len(questions), BATCH):
            async with self._web3.batch_requests() as batch:
                for question in questions[start : start + BATCH]:
                    batch.add(question())
                answers += await batch.async_execute()
        return answers


def _text(options: Mapping[str, object], name: str, default: str = "") -> str:
    value = options.get(name, default)
    if not isinstance(value, str) or not value:
        raise BadOptions(f"evm connector: {name} must be a text")
    return value


def _list(options: Mapping[str, object], name: str) -> list[Any]:
    value = options.get(name, [])
    if not isinstance(value, list):
        raise BadOptions(f"evm connector: {name} must be a list")
    return value


def _address(value: object) -> ChecksumAddress:
    if not isinstance(value, str) or not is_address(value):
        raise BadOptions(f"evm connector: {str(value)[:60]!r} is not an address")
    return to_checksum_address(value)


def _token(value: object) -> Token:
    if not isinstance(value, dict) or not set(value) <= {"address", "symbol", "decimals"}:
        raise BadOptions("evm connector: a token has address, symbol and decimals, and nothing else")
    symbol, decimals = value.get("symbol", ""), value.get("decimals")
    if not isinstance(symbol, str) or not (decimals is None or isinstance(decimals, int)):
        raise BadOptions("evm connector: a token's symbol is a text and its decimals are a number")
    return Token(_address(value.get("address")), symbol, decimals)
