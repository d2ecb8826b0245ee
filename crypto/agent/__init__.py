"""The client SDK. An agent is a class with a method for each command it carries out::

    import asyncio
    from decimal import Decimal

    from crypto.agent import Agent, Balance, Identity, Reply, connect


    class Vault(Agent):
        async def on_sync_wallets(self, command):
            await self.report_balance(Balance("vault-1", "BTC", Decimal("1.5")))
            return Reply("1 wallet", {"wallets": 1})


    asyncio.run(connect(Vault(), Identity(CLIENT_ID), SERVER, data_dir="vault-data"))

The base class answers the commands that concern every agent alike (ping, pause, resume, status, configuration
and restart). A command id runs its handler at most once, also across crashes: the journal in `data_dir` sees
to it.
"""

from crypto.agent.agent import Agent
from crypto.agent.connect import connect
from crypto.agent.connectors.base import Balance, Transaction
from crypto.agent.identity import Identity
from crypto.agent.reply import Refused, Reply

__all__ = ["Agent", "Balance", "Identity", "Refused", "Reply", "Transaction", "connect"]
