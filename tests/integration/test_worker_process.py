"""`manage.py rundramatiq` with the project's own broker and middleware."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dramatiq import Message

from tests.support.processes import Process, environment, wait_until
from tests.support.services import RedisServer
from workers.broker import RedisBroker

pytestmark = pytest.mark.slow

REDELIVERED = 30.0
"""Seconds: the heartbeat timeout of 15 s, a poll, and a busy machine."""


class Workshop:
    """Real worker processes whose actors leave marks in a directory."""

    def __init__(self, redis: RedisServer, directory: Path) -> None:
        self.broker = RedisBroker(url=redis.url)
        self.directory = directory
        self.marks = directory / "marks"
        self.marks.mkdir()
        self.env = environment(
            directory / "var",
            REDIS_URL=redis.url,
            DJANGO_SETTINGS_MODULE="tests.integration.workshop.settings",
        )

    def worker(self, *queues: str) -> Process:
        arguments = [
            "rundramatiq",
            "--processes",
            "1",
            "--threads",
            "2",
            "--skip-logging",
            "--queues",
            *queues,
        ]
        started = Process.manage(*arguments, env=self.env, output=self.directory / "worker.log")
        started.wait_for_text("ready for action", 60)
        return started

    def send(self, actor: str, mark: str, *more: Any, lane: str = "default") -> None:
        args = (str(self.marks), mark, *more)
        message: Message[Any] = Message(queue_name=lane, actor_name=actor, args=args, kwargs={}, options={})
        self.broker.enqueue_many([message])

    def marked(self, name: str) -> list[int]:
        """Pids of the processes that left this mark."""
        path = self.marks / name
        return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture
def workshop(own_redis: RedisServer, tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(own_redis, tmp_path)
    yield workshop
    workshop.broker.close()


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_killed_worker_leaves_its_message_to_another(workshop: Workshop) -> None:
    with workshop.worker("default") as first:
        workshop.send("leave_mark_and_stay", "slow", 120)
        wait_until(lambda: workshop.marked("slow"), 30, "the message at work")
        child = workshop.marked("slow")[0]
        os.kill(child, signal.SIGKILL)
        # A master that loses a child ends; whoever supervises it starts it anew.
        assert first.popen.wait(20) != 0
    with workshop.worker("default"):
        wait_until(lambda: len(workshop.marked("slow")) == 2, REDELIVERED, "the redelivery")


def test_killed_master_takes_its_children_along(workshop: Workshop) -> None:
    with workshop.worker("default") as worker:
        workshop.send("leave_mark", "child")
        wait_until(lambda: workshop.marked("child"), 30, "the mark")
        child = workshop.marked("child")[0]
        assert child != worker.pid
        worker.kill()
        wait_until(lambda: not alive(child), 30, "the end of the child")


def test_second_signal_to_the_group_ends_a_worker_that_is_still_busy(workshop: Workshop) -> None:
    with workshop.worker("default") as worker:
        workshop.send("leave_mark_async", "async")
        workshop.send("leave_mark_and_stay", "busy", 120)
        wait_until(lambda: workshop.marked("busy"), 30, "the mark")
        child = workshop.marked("busy")[0]
        # To the master, which passes it on: of a signal to the group the child would get two, and which of them it
        # takes for the second one is a matter of microseconds.
        os.kill(worker.pid, signal.SIGTERM)
        worker.wait_for_text("Shutting down", 30)
        os.killpg(worker.pid, signal.SIGTERM)
        worker.popen.wait(20)
        wait_until(lambda: not alive(child), 30, "the end of the child")
        assert workshop.marked("async") == [child]


def test_worker_reserved_for_a_lane_leaves_the_others_alone(workshop: Workshop) -> None:
    with workshop.worker("urgent"):
        workshop.send("leave_mark", "bulk", lane="bulk")
        workshop.send("leave_mark", "urgent", lane="urgent")
        wait_until(lambda: workshop.marked("urgent"), 30, "the urgent mark")
        workshop.send("leave_mark", "urgent again", lane="urgent")
        wait_until(lambda: workshop.marked("urgent again"), 30, "the second urgent mark")
        assert workshop.marked("bulk") == []


def test_worker_survives_a_redis_restart(workshop: Workshop, own_redis: RedisServer) -> None:
    with workshop.worker("default") as worker:
        for number in range(10):
            workshop.send("leave_mark", f"before-{number}")
        own_redis.kill()
        own_redis.start()
        for number in range(10):
            workshop.send("leave_mark", f"after-{number}")
        expected = {f"{when}-{number}" for when in ("before", "after") for number in range(10)}
        wait_until(lambda: {path.name for path in workshop.marks.iterdir()} >= expected, 30, "all marks")
        assert worker.alive
