"""Carries out commands: each goes through the journal, its handler, the journal again, and is acknowledged."""

import asyncio
import inspect
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import time_ns

from crypto.agent.agent import Agent, Handler
from crypto.agent.journal import Journal
from crypto.agent.reply import Refused, Reply
from crypto.agent.stats import Stats
from crypto.agent.store import StoreFailed
from crypto.commands import Command, from_wire
from crypto.exceptions import InvalidParameters
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import DjangoCommand

logger = logging.getLogger(__name__)

REJECTED = "Rejected"
"""`CommandAck.error` of a command that the agent will not run as it stands."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A command that waits or runs, with its handler."""

    command_id: str
    command: Command
    handler: Handler

    @property
    def waits(self) -> bool:
        return inspect.iscoroutinefunction(self.handler)


class Dispatcher:
    """Runs the handlers of one client; lives as long as the client, across its streams."""

    __slots__ = ("_agent", "_answer", "_journal", "_open", "_queues", "_stats", "_tasks")

    def __init__(
        self, agent: Agent, journal: Journal, stats: Stats, answer: Callable[[CommandAck], Awaitable[None]]
    ) -> None:
        self._agent, self._journal, self._stats, self._answer = agent, journal, stats, answer
        self._open: set[str] = set()
        """Ids that wait or run: a repeat of one is answered when it finishes."""
        self._queues: dict[str, deque[Execution]] = {}
        """For each conflict class of which a command runs, the executions that wait for it to end."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def deliver(self, wire: DjangoCommand) -> None:
        """Takes one command. Returns when it is done, or has begun if its handler is a coroutine."""
        if wire.command_id in self._open:
            self._stats.repeated += 1
            return
        try:
            command = from_wire(wire)
        except InvalidParameters as error:
            await self._reject(wire, str(error))
            return
        if command is None:
            logger.debug("Command %s is newer than this agent", wire.command_id)
        elif handler := self._agent.handler(command.name):
            await self._accept(Execution(wire.command_id, command, handler))
        else:
            await self._reject(wire, f"this agent does not carry out {command.name}")

    async def drain(self, grace: float) -> None:
        """Waits up to `grace` seconds for running handlers, then cancels them: their outcome is unknown."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._open.clear()
        self._queues.clear()

    async def _reject(self, wire: DjangoCommand, message: str) -> None:
        ack = CommandAck(command_id=wire.command_id, error=REJECTED, message=message)
        await self._answer(self._stamped(ack))

    async def _accept(self, execution: Execution) -> None:
        self._open.add(execution.command_id)
        conflict_class = execution.command.conflict_class
        if conflict_class in self._queues:
            self._queues[conflict_class].append(execution)
            return
        if conflict_class:
            self._queues[conflict_class] = deque()
        if execution.waits:
            task = asyncio.get_running_loop().create_task(self._work(execution))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            await self._work(execution)

    async def _work(self, execution: Execution) -> None:
        """Runs the execution, and then those of its conflict class that arrived meanwhile."""
        conflict_class = execution.command.conflict_class
        while True:
            try:
                await self._run(execution)
            except StoreFailed:
                logger.exception("Command %s is not answered: the store failed", execution.command_id)
            finally:
                self._open.discard(execution.command_id)
            waiting = self._queues.get(conflict_class)
            if not waiting:
                break
            execution = waiting.popleft()
        self._queues.pop(conflict_class, None)

    async def _run(self, execution: Execution) -> None:
        known = await self._journal.begin(execution.command_id, idempotent=execution.command.idempotent)
        if known is not None:
            self._stats.repeated += 1
            await self._answer(known)
            return
        self._stats.received += 1
        logger.debug("%s %s begins", execution.command.name, execution.command_id)
        ack, after = await self._execute(execution)
        await self._journal.finish(ack)
        await self._answer(ack)
        if after is not None:
            after()

    async def _execute(self, execution: Execution) -> tuple[CommandAck, Callable[[], None] | None]:
        name = execution.command.name
        self._stats.verbs[name] += 1
        ack = CommandAck(command_id=execution.command_id)
        try:
            answer = execution.handler(execution.command)
            reply = (answer if answer is None or isinstance(answer, Reply) else await answer) or Reply()
            ack.data = "" if reply.data is None else json.dumps(reply.data)
            self._agent.completed(execution.command_id, name)
        except Refused as refusal:
            self._stats.refused += 1
            ack.error, ack.message = REJECTED, str(refusal)
        except Exception as error:
            # Whatever a handler raises is the failure of its command, not the end of the client.
            logger.exception("%s %s failed", name, execution.command_id)
            self._stats.failed += 1
            ack.error, ack.message = type(error).__name__, str(error)
            await self._agent.report_error(error)
        else:
            self._stats.succeeded += 1
            ack.success, ack.message = True, reply.message
            return self._stamped(ack), reply.after
        return self._stamped(ack), None

    def _stamped(self, ack: CommandAck) -> CommandAck:
        ack.current_status = self._agent.host.state.status
        ack.timestamp.FromNanoseconds(time_ns())
        return ack
