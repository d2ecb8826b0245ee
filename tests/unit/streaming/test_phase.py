"""The life of one session, as its phase tells it."""

import asyncio
from collections.abc import Callable

import pytest

from crypto.grpc.streaming import Phase, Session
from crypto.grpc.streaming.close_reasons import LOST, SILENT

from .test_session import Transport, session_on

STEPS: dict[str, Callable[[Session], None]] = {
    "register": lambda session: session.register("b1"),
    "hold": Session.hold,
    "connected": Session.connected,
    "release": Session.release,
    "close": lambda session: session.close(LOST),
}


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        ("", Phase.GREETING),
        ("register", Phase.CONNECTING),
        ("register connected", Phase.READY),
        ("register hold", Phase.HELD),
        ("register hold connected", Phase.HELD),
        ("register hold connected release", Phase.READY),
        ("register connected release", Phase.READY),
        ("register connected hold", Phase.READY),
        ("register release", Phase.CONNECTING),
        ("close", Phase.ENDED),
        ("register close hold connected release", Phase.ENDED),
        ("register hold close release", Phase.ENDED),
    ],
)
async def test_the_steps_of_a_session(steps: str, phase: Phase) -> None:
    session = await session_on(Transport())
    for step in steps.split():
        STEPS[step](session)
    assert session.phase is phase
    assert session.ready == (phase is Phase.READY)
    assert session.has_ended() == (phase is Phase.ENDED)


async def test_the_first_close_reason_stays() -> None:
    session = await session_on(Transport())
    session.close(SILENT)
    session.close(LOST)
    session.handler_returns(LOST)
    assert session.close_reason is SILENT


async def test_a_client_is_not_silent_while_we_do_not_read() -> None:
    session = await session_on(Transport())
    later = session.loop.time() + 60
    assert session.silent_for(later) > 59

    async def hook() -> None:
        assert session.silent_for(later) == 0
        await asyncio.sleep(0)
        assert session.silent_for(later) == 0

    await session.run_hook(hook())
    assert session.silent_for(session.loop.time() + 60) > 59


async def test_a_hook_that_fails_leaves_the_session_readable() -> None:
    session = await session_on(Transport())

    async def hook() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await session.run_hook(hook())
    assert session.silent_for(session.loop.time() + 60) > 59
