"""Agents that misbehave on request, for trials and benchmarks of a whole fleet."""

import asyncio
import random
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from crypto.agent.agent import Handler
from crypto.agent.connectors.base import WalletConnector
from crypto.agent.reference import ReferenceAgent
from crypto.agent.reply import Refused, Reply
from crypto.agent.simulator.side_effect_log import SideEffectLog


class Behaviour(StrEnum):
    NORMAL = "normal"
    OFFLINE = "offline"
    """Never connects."""
    SILENT = "silent"
    """Takes commands, hangs in the handler, never acks."""
    REFUSING = "refusing"
    """Refuses every command."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the fleet, "10%" or "25"."""

    number: float
    percent: bool

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Raises ValueError."""
        share = cls(float(text.removesuffix("%")), text.endswith("%"))
        if share.number < 0 or (share.percent and share.number > 100):
            raise ValueError(text)
        return share

    def of(self, count: int) -> int:
        return round(count * self.number / 100) if self.percent else min(count, int(self.number))


NOBODY = Share(0, percent=False)


def assign(count: int, shares: dict[Behaviour, Share], seed: int) -> list[Behaviour]:
    """A behaviour for each of `count` clients: shares don't overlap, one seed always chooses the same."""
    behaviours = [behaviour for behaviour, share in shares.items() for _ in range(share.of(count))][:count]
    behaviours += [Behaviour.NORMAL] * (count - len(behaviours))
    random.Random(seed).shuffle(behaviours)
    return behaviours


class FleetAgent(ReferenceAgent):
    """A reference agent with a behaviour, a delay in seconds before each handler, and a record of effects."""

    def __init__(
        self,
        connector: WalletConnector,
        behaviour: Behaviour,
        delay: float,
        side_effects: SideEffectLog | None,
    ) -> None:
        super().__init__(connector)
        self._behaviour, self._delay, self._side_effects = behaviour, delay, side_effects

    def handler(self, name: str) -> Handler | None:
        handler = super().handler(name)
        if handler is None or (self._behaviour == Behaviour.NORMAL and not self._delay):
            return handler
        return partial(self._misbehave, handler)

    def completed(self, command_id: str, name: str) -> None:
        if self._side_effects:
            self._side_effects.add(self.host.client_id, command_id, name)

    async def _misbehave(self, handler: Handler, command: Any) -> Reply | None:
        await asyncio.sleep(self._delay)
        if self._behaviour == Behaviour.SILENT:
            await asyncio.Event().wait()
        if self._behaviour == Behaviour.REFUSING:
            raise Refused("this agent refuses everything")
        answer = handler(command)
        return answer if answer is None or isinstance(answer, Reply) else await answer
