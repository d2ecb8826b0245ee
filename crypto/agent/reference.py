"""The reference agent: balances from a connector, everything else from the base."""

from collections.abc import Sequence

from crypto.agent.agent import Agent
from crypto.agent.connectors.base import WalletConnector
from crypto.agent.reply import Refused, Reply
from crypto.commands.get_wallets import GetWallets
from crypto.commands.sync_wallets import SyncWallets


class ReferenceAgent(Agent):
    def __init__(self, connector: WalletConnector) -> None:
        self._connector = connector

    async def close(self) -> None:
        await self._connector.close()

    async def on_sync_wallets(self, command: SyncWallets) -> Reply:
        if self.paused:
            raise Refused("paused")
        balances = await self._connector.balances(command.symbols)
        for balance in balances:
            await self.report_balance(balance)
        for transaction in await self._connector.transactions():
            await self.report_transaction(transaction)
        symbols = sorted({balance.symbol for balance in balances})
        return Reply(_count(balances), {"wallets": len(balances), "symbols": symbols})

    async def on_get_wallets(self, command: GetWallets) -> Reply:
        wallets = [
            {
                "wallet_id": balance.wallet_id,
                "symbol": balance.symbol,
                "available": f"{balance.available:f}",
                "locked": f"{balance.locked:f}",
            }
            for balance in await self._connector.balances(command.symbols)
        ]
        return Reply(_count(wallets), {"wallets": wallets})


def _count(wallets: Sequence[object]) -> str:
    return "1 wallet" if len(wallets) == 1 else f"{len(wallets)} wallets"
