"""The background loop across forks; each in a process of its own, for a fork must find nothing else running."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT

FORKED = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from crypto.grpc.streaming.background import background

{before}
child = os.fork()
if not child:
    {child}
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
{after}
"""

USED = "loop = background.get()"
REFUSED = """
    try:
        background.get()
    except RuntimeError as error:
        assert "fork" in str(error)
    else:
        sys.exit(3)
"""
CLOSES_NOTHING = """
    background.close()
"""
WORKS = """
import asyncio
async def answer():
    return 42
assert asyncio.run_coroutine_threadsafe(answer(), background.get()).result(10) == 42
"""


def run(program: str) -> None:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("child", [REFUSED, CLOSES_NOTHING])
def test_a_child_forked_after_use_cannot_use_it_and_does_no_harm(child: str) -> None:
    run(FORKED.format(before=USED, child=child.strip(), after=WORKS))


def test_a_child_of_such_a_child_is_refused_too() -> None:
    child = "if (grandchild := os.fork()): os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))"
    run(FORKED.format(before=USED, child=f"{child}\n{REFUSED}", after=WORKS))


def test_a_child_forked_before_use_has_its_own() -> None:
    run(FORKED.format(before="", child=WORKS.strip().replace("\n", "\n    "), after=WORKS))


def test_a_fork_while_it_is_being_started_leaves_the_child_free_to_start_its_own() -> None:
    child = WORKS.strip().replace("\n", "\n    ")
    run(FORKED.format(before="background._lock.acquire()", child=child, after=""))


def test_many_threads_get_the_same_loop() -> None:
    before = """
with ThreadPoolExecutor(20) as threads:
    assert len(set(threads.map(lambda _: background.get(), range(200)))) == 1
"""
    run(FORKED.format(before=before, child="pass", after=WORKS))
