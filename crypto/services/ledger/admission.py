"""May this command go to this client now? The one place that answers, for everybody who issues, starts or claims."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from crypto.commands import Command
from crypto.models import Cause, ClientStatus, Offline, State
from crypto.models.command_log import LATE_LANDING


class Target(NamedTuple):
    """The client, as far as the answer depends on it."""

    connected: bool
    supported: bool
    """It declared the command, or need not. Known for certain only while it is connected."""
    paused_by: int | None
    """The standing order that keeps it paused."""
    identity_epoch: str


class Terms(NamedTuple):
    """What was agreed when the command was issued, and what has come of it."""

    offline: Offline | str = Offline.FAIL
    attempts_left: int = 1
    expires_at: datetime | None = None
    identity_epoch: str = ""
    """The identity the command was issued for; empty: any."""
    seen: bool = False
    """An earlier attempt may have taken effect."""
    held: bool = False
    """Its operation releases it later."""


@dataclass(frozen=True, slots=True)
class Send:
    pass


@dataclass(frozen=True, slots=True)
class Park:
    """It stays QUEUED. With NOT_CONNECTED an attempt is spent; else it waits until the cause is gone or it expires."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class Refuse:
    """It ends in `state`."""

    state: State
    cause: Cause


Decision = Send | Park | Refuse
SEND = Send()


def decide(command: Command | None, target: Target, terms: Terms, now: datetime) -> Decision:
    """Pure. `command` is None where this version does not know it or does not take its parameters."""
    refusal = _refusal(command, target, terms, now)
    if refusal is not None:
        state, cause = refusal
        return Refuse(unsent(state, terms.seen), cause)
    if terms.held:
        return Park(Cause.OPERATION)
    if command is not None and holds_back(command, target.paused_by):
        return Park(Cause.STANDING_ORDER)
    if target.connected:
        return SEND
    return Park(Cause.OFFLINE if terms.offline == Offline.QUEUE else Cause.NOT_CONNECTED)


def holds_back(command: Command | type[Command], paused_by: int | None) -> bool:
    """Whether the command must not go to a client that this standing order, or none, keeps paused."""
    return paused_by is not None and not command.while_paused


def unsent(state: State, seen: bool) -> State:
    """The state of a row that ends without a further attempt: what the client may have seen ends as unknown."""
    return State.TIMED_OUT if seen and state not in LATE_LANDING else state


def _refusal(
    command: Command | None, target: Target, terms: Terms, now: datetime
) -> tuple[State, Cause] | None:
    if terms.expires_at is not None and terms.expires_at <= now:
        return State.EXPIRED, Cause.EXPIRED
    if terms.identity_epoch and terms.identity_epoch != target.identity_epoch:
        return State.CANCELED, Cause.IDENTITY
    if command is None:
        return State.REJECTED, Cause.UNKNOWN_COMMAND
    if target.paused_by is not None and command.leaves == ClientStatus.ACTIVE:
        # Had the order been in force when the resume was issued, the resume would have overridden it.
        return State.REJECTED, Cause.ORDER_SINCE
    if holds_back(command, target.paused_by) and terms.offline != Offline.QUEUE:
        return State.REJECTED, Cause.STANDING_ORDER
    if target.connected and not target.supported:
        return State.REJECTED, Cause.UNSUPPORTED
    if terms.attempts_left <= 0:
        return State.NOT_CONNECTED, Cause.ATTEMPTS_SPENT
    if not target.connected and not _may_wait(terms):
        return State.NOT_CONNECTED, Cause.NOT_CONNECTED
    return None


def _may_wait(terms: Terms) -> bool:
    """Whether there will be another attempt if the client is away now."""
    if terms.offline == Offline.FAIL:
        return terms.held or terms.attempts_left > 1
    return terms.offline == Offline.QUEUE
