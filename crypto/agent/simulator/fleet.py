"""Many clients in one process and one event loop."""

import asyncio
import gc
import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crypto.agent.client import Client
from crypto.agent.connection import channels
from crypto.agent.connectors.base import WalletConnector
from crypto.agent.identity import Identity
from crypto.agent.simulator.behaviour import NOBODY, Behaviour, FleetAgent, Share, assign
from crypto.agent.simulator.side_effect_log import SideEffectLog
from crypto.agent.simulator.stats import total, write_document
from crypto.agent.store import Store
from crypto.tuning import tune_garbage_collection

logger = logging.getLogger(__name__)

CONNECTING = 64
"""Clients that connect at the same time."""

OUTBOX_LIMIT = 20_000
"""Unacknowledged reports that the clients keep together, and the least that each of them keeps."""
OUTBOX_LEAST = 100

STATS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fleet is made of."""

    server: str
    ids: Sequence[str]
    connector: Callable[[str], WalletConnector]
    """Makes the connector of the client with this id."""
    seed: int = 0
    name: str = "fleet"
    types: Sequence[str] = ("reference",)
    versions: Sequence[str] = ("",)
    """Types and versions are dealt out in turn."""
    token: str = ""
    heartbeat: float = 30.0
    delay: float = 0.0
    """Seconds before each handler runs."""
    shares: Mapping[Behaviour, Share] = field(default_factory=dict)
    first_contract: Share = NOBODY
    """The clients that speak the first contract only."""
    side_effects: SideEffectLog | None = None
    stats: Path | None = None


def client_ids(count: int, seed: int) -> list[str]:
    """The same ids every time for one seed; a larger fleet contains the smaller one."""
    space = uuid.uuid5(uuid.NAMESPACE_OID, f"crypto-agent-fleet-{seed}")
    return [str(uuid.uuid5(space, str(number))) for number in range(count)]


class Fleet:
    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan = plan
        self._connected = 0
        self._complete = False
        self._began = 0.0
        self._behaviours = assign(len(plan.ids), dict(plan.shares), plan.seed)
        self.clients = self._make_clients(store)

    async def run(self) -> None:
        """Returns after `stop`, when every client has left."""
        tune_garbage_collection()
        self._began = time.monotonic()
        self._keep_stats()
        await asyncio.gather(*(client.run() for client in self.clients))
        self.write_stats()

    def stop(self) -> None:
        for client in self.clients:
            client.stop()

    def stats(self) -> dict[str, object]:
        count = len(self._plan.ids)
        return {
            "clients": count,
            "online": len(self.clients),
            "connected": self._connected,
            "behaviours": {behaviour: self._behaviours.count(behaviour) for behaviour in Behaviour},
            **total([client.stats for client in self.clients]),
        }

    def write_stats(self) -> None:
        if self._plan.stats:
            write_document(self._plan.stats, self.stats())

    def _keep_stats(self) -> None:
        self.write_stats()
        asyncio.get_running_loop().call_later(STATS_SECONDS, self._keep_stats)

    def _make_clients(self, store: Store) -> list[Client]:
        plan = self._plan
        old = [True] * plan.first_contract.of(len(plan.ids))
        old += [False] * (len(plan.ids) - len(old))
        random.Random(plan.seed + 1).shuffle(old)
        online = [n for n, behaviour in enumerate(self._behaviours) if behaviour != Behaviour.OFFLINE]
        pool, gate = channels(plan.server, len(online)), asyncio.Semaphore(CONNECTING)
        return [
            Client(
                FleetAgent(plan.connector(plan.ids[n]), self._behaviours[n], plan.delay, plan.side_effects),
                self._identity(n, first_contract=old[n]),
                pool[place % len(pool)],
                store,
                heartbeat=plan.heartbeat,
                outbox_limit=max(OUTBOX_LEAST, OUTBOX_LIMIT // len(online)),
                gate=gate,
                on_change=self._changed,
            )
            for place, n in enumerate(online)
        ]

    def _identity(self, n: int, *, first_contract: bool) -> Identity:
        plan = self._plan
        return Identity(
            plan.ids[n],
            name=plan.name if len(plan.ids) == 1 else f"{plan.name}-{n:05d}",
            type=plan.types[n % len(plan.types)],
            version=plan.versions[n % len(plan.versions)],
            token=plan.token,
            first_contract=first_contract,
        )

    def _changed(self, client: Client) -> None:
        self._connected += 1 if client.connected else -1
        complete = self._connected == len(self.clients)
        if complete and not self._complete:
            gc.freeze()
            seconds = time.monotonic() - self._began
            logger.info("fleet connected %d/%d in %.2f s", self._connected, len(self.clients), seconds)
            self.write_stats()
        elif self._complete and not complete:
            logger.info("fleet no longer complete")
        self._complete = complete
