from dataclasses import dataclass

from crypto.commands.base import Command, register
from crypto.commands.parameters import symbols


@register
@dataclass(frozen=True)
class GetWallets(Command):
    """Ask for the balances the client holds, as a structured result."""

    name = "get_wallets"
    method = "get_wallets"
    label = "Get wallets"
    conflict_class = "wallets"

    symbols: tuple[str, ...] = symbols(help="Symbols to return; empty for all.")
