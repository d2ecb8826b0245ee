"""May it go now? Every combination of what the answer depends on, and a table of what users are promised."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from crypto.commands import Command
from crypto.commands.pause import Pause
from crypto.commands.ping import Ping
from crypto.commands.resume import Resume
from crypto.commands.sync_wallets import SyncWallets
from crypto.models import Cause, Offline, State
from crypto.models.command_log import CORRECTABLE
from crypto.services.ledger.admission import SEND, Decision, Park, Refuse, Target, Terms, decide, is_blocked

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON, BEFORE = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)
THERE = Target(connected=True, supported=True, paused_by=None, identity_epoch="a")
AWAY = THERE._replace(connected=False)
PAUSED = THERE._replace(paused_by=7)

SYNC, PING, PAUSE, RESUME = SyncWallets(), Ping(), Pause(), Resume()


def terms(**given: Any) -> Terms:
    return Terms(**{"attempts_left": 3, "expires_at": SOON, "identity_epoch": "a", **given})


CASES: dict[str, tuple[Command | None, Target, Terms, Decision]] = {
    "goes": (SYNC, THERE, terms(), SEND),
    "its last attempt": (SYNC, THERE, terms(attempts_left=1), SEND),
    "too late": (SYNC, THERE, terms(expires_at=NOW), Refuse(State.EXPIRED, Cause.EXPIRED)),
    "too late, perhaps done": (
        SYNC,
        THERE,
        terms(expires_at=BEFORE, seen=True),
        Refuse(State.TIMED_OUT, Cause.EXPIRED),
    ),
    "provisioned anew": (
        SYNC,
        THERE,
        terms(identity_epoch="b"),
        Refuse(State.CANCELED, Cause.IDENTITY),
    ),
    "for any identity": (SYNC, THERE, terms(identity_epoch=""), SEND),
    "unknown here": (None, THERE, terms(), Refuse(State.REJECTED, Cause.UNKNOWN_COMMAND)),
    "undeclared": (
        SYNC,
        THERE._replace(supported=False),
        terms(),
        Refuse(State.REJECTED, Cause.UNSUPPORTED),
    ),
    "undeclared, but away": (
        SYNC,
        AWAY._replace(supported=False),
        terms(offline=Offline.QUEUE),
        Park(Cause.OFFLINE),
    ),
    "held back": (SYNC, PAUSED, terms(), Refuse(State.REJECTED, Cause.STANDING_ORDER)),
    "held back, waits": (SYNC, PAUSED, terms(offline=Offline.QUEUE), Park(Cause.STANDING_ORDER)),
    "not held back": (PING, PAUSED, terms(), SEND),
    "paused again": (PAUSE, PAUSED, terms(), SEND),
    "resume that an order overtook": (RESUME, PAUSED, terms(), Refuse(State.REJECTED, Cause.ORDER_SINCE)),
    "waits for the client": (SYNC, AWAY, terms(offline=Offline.QUEUE), Park(Cause.OFFLINE)),
    "skips who is away": (
        SYNC,
        AWAY,
        terms(offline=Offline.SKIP),
        Refuse(State.NOT_CONNECTED, Cause.NOT_CONNECTED),
    ),
    "will be tried again": (SYNC, AWAY, terms(), Park(Cause.NOT_CONNECTED)),
    "will not be tried again": (
        SYNC,
        AWAY,
        terms(attempts_left=1),
        Refuse(State.NOT_CONNECTED, Cause.NOT_CONNECTED),
    ),
    "spent": (SYNC, THERE, terms(attempts_left=0), Refuse(State.NOT_CONNECTED, Cause.ATTEMPTS_SPENT)),
    "its wave comes later": (SYNC, THERE, terms(held=True), Park(Cause.OPERATION)),
    "its wave comes later, the client may be back": (
        SYNC,
        AWAY,
        terms(held=True, attempts_left=1),
        Park(Cause.OPERATION),
    ),
    "no wave for who is skipped": (
        SYNC,
        AWAY,
        terms(held=True, offline=Offline.SKIP),
        Refuse(State.NOT_CONNECTED, Cause.NOT_CONNECTED),
    ),
}


@pytest.mark.parametrize(("command", "target", "given", "expected"), CASES.values(), ids=CASES)
def test_the_decision(command: Command | None, target: Target, given: Terms, expected: Decision) -> None:
    assert decide(command, target, given, NOW) == expected


def test_every_combination_has_one_answer_that_keeps_the_promises() -> None:
    yes_no = (True, False)
    targets = [Target(*each) for each in product(yes_no, yes_no, (None, 7), ("a", "b"))]
    agreed = [
        Terms(*each)
        for each in product(list(Offline), (0, 1, 2), (None, BEFORE, SOON), ("", "a"), yes_no, yes_no)
    ]
    for command, target, given in product((SYNC, PING, PAUSE, RESUME, None), targets, agreed):
        decision = decide(command, target, given, NOW)
        over = given.expires_at == BEFORE
        another = bool(given.identity_epoch) and given.identity_epoch != target.identity_epoch
        if decision == SEND:
            assert command is not None
            assert target.connected
            assert target.supported
            assert not is_blocked(command, target.paused_by)
            assert given.attempts_left > 0
            assert (over, another, given.held) == (False, False, False)
        elif isinstance(decision, Park):
            assert (over, another) == (False, False)
            assert given.attempts_left > 0
            if decision.cause is Cause.OFFLINE:
                assert (given.offline, target.connected) == (Offline.QUEUE, False)
            elif decision.cause is Cause.NOT_CONNECTED:
                assert (given.offline, target.connected) == (Offline.FAIL, False)
            elif decision.cause is Cause.STANDING_ORDER:
                assert (given.offline, target.paused_by) == (Offline.QUEUE, 7)
            else:
                assert (decision.cause, given.held) == (Cause.OPERATION, True)
        else:
            assert isinstance(decision, Refuse)
            # What may have taken effect is never said not to have been seen.
            assert not given.seen or decision.state in CORRECTABLE
