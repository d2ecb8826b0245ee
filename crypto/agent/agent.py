"""The base of every agent: its handlers, and how it reports."""

import json
import traceback
from collections.abc import Awaitable, Callable
from time import time_ns
from typing import Any, Protocol

from crypto.agent.connectors.base import Balance, Transaction
from crypto.agent.reply import Refused, Reply
from crypto.agent.state import State
from crypto.agent.stats import Stats
from crypto.commands import registry
from crypto.commands.pause import Pause
from crypto.commands.ping import Ping
from crypto.commands.request_status import RequestStatus
from crypto.commands.restart import Restart
from crypto.commands.resume import Resume
from crypto.commands.update_config import UpdateConfig
from crypto.wire.common_pb2 import CLIENT_STATUS_ACTIVE, CLIENT_STATUS_PAUSED, ClientStatus
from crypto.wire.crypto_streaming_pb2 import (
    ClientMessage,
    ErrorReport,
    LogEntry,
    TransactionReport,
    WalletUpdate,
)

Handler = Callable[[Any], Reply | None] | Callable[[Any], Awaitable[Reply | None]]


class Host(Protocol):
    """What runs an agent, as the agent sees it."""

    client_id: str
    state: State
    stats: Stats

    async def report(self, message: ClientMessage) -> None: ...

    async def set_status(self, status: "ClientStatus.ValueType", details: str) -> None: ...

    def restart(self) -> None: ...


class Agent:
    """Subclass it and add a method `on_<command>` for each command it shall carry out.

    A handler takes the command and returns a Reply or None. It is a coroutine if it waits for anything, else
    a plain method. Handlers of commands that share a conflict class run one after the other, all others at
    the same time. Raising Refused rejects the command; any other exception reports it as failed.
    """

    host: Host
    """The client that runs this agent; set before the first handler runs."""

    def __init_subclass__(cls) -> None:
        for name in vars(cls):
            if name.startswith("on_") and name[3:] not in registry:
                raise TypeError(f"{cls.__name__}.{name}: there is no command {name[3:]!r}")

    def handler(self, name: str) -> Handler | None:
        """What carries out the command of this name; None if this agent does not."""
        return getattr(self, f"on_{name}", None)

    def capabilities(self) -> list[str]:
        """The commands to declare: those this agent handles that are newer than the first contract."""
        return [cls.capability() for name, cls in registry.items() if self.handler(name) and cls.capability()]

    def configure(self, document: dict[str, object]) -> None:
        """Called with a new configuration before it is kept. Raises Refused if it does not fit this agent."""

    def completed(self, command_id: str, name: str) -> None:
        """Called when a handler ended well, before its ack is kept."""

    async def close(self) -> None:
        """Called once when the client stops for good."""

    @property
    def paused(self) -> bool:
        return self.host.state.status == CLIENT_STATUS_PAUSED

    async def set_status(self, status: "ClientStatus.ValueType", details: str = "") -> None:
        """Changes the status, remembers it and tells the server."""
        await self.host.set_status(status, details)

    async def report_balance(self, balance: Balance) -> None:
        update = WalletUpdate(wallet_id=balance.wallet_id, symbol=balance.symbol)
        update.balance_available, update.balance_locked = f"{balance.available:f}", f"{balance.locked:f}"
        update.last_sync.FromNanoseconds(time_ns())
        await self.host.report(ClientMessage(wallet_update=update))

    async def report_transaction(self, transaction: Transaction) -> None:
        report = TransactionReport(
            transaction_id=transaction.transaction_id,
            type=transaction.type,
            symbol=transaction.symbol,
            amount=f"{transaction.amount:f}",
            status=transaction.status,
            details=transaction.details,
        )
        await self.host.report(ClientMessage(transaction=report))

    async def report_error(self, error: BaseException, severity: str = "error") -> None:
        trace = "".join(traceback.format_exception(error))
        report = ErrorReport(severity=severity, message=f"{type(error).__name__}: {error}", traceback=trace)
        await self.host.report(ClientMessage(error=report))

    async def log(self, level: str, message: str, **extra: object) -> None:
        entry = LogEntry(level=level, message=message, extra_data=json.dumps(extra) if extra else "")
        await self.host.report(ClientMessage(log=entry))

    def on_ping(self, command: Ping) -> Reply | None:
        return Reply("pong", {"sequence": command.sequence})

    async def on_pause(self, command: Pause) -> Reply | None:
        await self.set_status(CLIENT_STATUS_PAUSED, command.reason)
        return Reply("paused")

    async def on_resume(self, command: Resume) -> Reply | None:
        await self.set_status(CLIENT_STATUS_ACTIVE, command.message)
        return Reply("resumed")

    def on_request_status(self, command: RequestStatus) -> Reply | None:
        state = self.host.state
        status: dict[str, object] = {
            "status": ClientStatus.Name(state.status),
            "config_version": state.config_version,
        }
        if command.include_stats:
            status["stats"] = self.host.stats.document()
        return Reply(ClientStatus.Name(state.status), status)

    async def on_update_config(self, command: UpdateConfig) -> Reply | None:
        state = self.host.state
        if command.version < state.config_version:
            raise Refused(f"version {state.config_version} is newer")
        document = json.loads(command.document)
        self.configure(document)
        state.set_config(document, command.version)
        await self.log("info", f"configuration is now version {command.version}")
        return Reply(f"version {command.version}", {"version": command.version})

    async def on_restart(self, command: Restart) -> Reply | None:
        await self.log("info", f"restarting: {command.reason}")
        return Reply("restarting", after=self.host.restart)
