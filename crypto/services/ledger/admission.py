"""May this command go to this client now? The only place that decides, for issuing, starting and claiming alike."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from crypto.commands import Command
from crypto.models import Cause, ClientStatus, Offline, State
from crypto.models.command_log import CORRECTABLE


class Target(NamedTuple):
    """What the decision needs to know of the client."""

    connected: bool
    supported: bool
    """The client declared the command, or the command needs no declaration. Certain only while it is connected."""
    paused_by: int | None
    """The standing order that keeps it paused."""
    identity_epoch: str


class Terms(NamedTuple):
    """What the decision needs to know of the command's row."""

    offline: Offline | str = Offline.FAIL
    attempts_left: int = 1
    expires_at: datetime | None = None
    identity_epoch: str = ""
    """The identity the command was issued for; empty: any."""
    seen: bool = False
    """An earlier attempt may have taken effect."""
    held: bool = False
    """Its operation has not released it yet."""


@dataclass(frozen=True, slots=True)
class Send:
    """It goes to the client now."""


@dataclass(frozen=True, slots=True)
class Park:
    """It stays QUEUED until the cause is gone or the command expires. With NOT_CONNECTED it uses up an attempt."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class Refuse:
    """It ends in `state`."""

    state: State
    cause: Cause


Decision = Send | Park | Refuse
SEND = Send()


def decide(command: Command | None, target: Target, terms: Terms, now: datetime) -> Decision:
    """Pure. `command` is None if this version does not know it or does not accept its parameters."""
    refusal = _refusal(command, target, terms, now)
    if refusal is not None:
        state, cause = refusal
        return Refuse(unsent(state, terms.seen), cause)
    if terms.held:
        return Park(Cause.OPERATION)
    if command is not None and is_blocked(command, target.paused_by):
        return Park(Cause.STANDING_ORDER)
    if target.connected:
        return SEND
    return Park(Cause.OFFLINE if terms.offline == Offline.QUEUE else Cause.NOT_CONNECTED)


def is_blocked(command: Command | type[Command], paused_by: int | None) -> bool:
    """Whether the command must wait while the standing order `paused_by` keeps its client paused; None: no order."""
    return paused_by is not None and not command.while_paused


def unsent(state: State, seen: bool) -> State:
    """The state in which a queued row ends: TIMED_OUT instead of `state` if the client may have seen it."""
    return State.TIMED_OUT if seen and state not in CORRECTABLE else state


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
    if is_blocked(command, target.paused_by) and terms.offline != Offline.QUEUE:
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
