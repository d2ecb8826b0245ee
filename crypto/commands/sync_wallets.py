from dataclasses import dataclass

from crypto.commands.base import Command, Lane, register
from crypto.commands.parameters import symbols


@register
@dataclass(frozen=True)
class SyncWallets(Command):
    """Read the balances of the client's wallets anew and report them."""

    name = "sync_wallets"
    method = "sync_wallets"
    label = "Sync wallets"
    bulk_verb = "sync_all"
    timeout = 30.0
    lane = Lane.SYNC
    bulk_lane = Lane.SYNC
    conflict_class = "wallets"
    while_paused = False

    symbols: tuple[str, ...] = symbols(help="Symbols to sync; empty for all.")
