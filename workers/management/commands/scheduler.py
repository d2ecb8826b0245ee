import signal
import threading
from typing import Any

from crypto.management.one_line import OneLineCommand
from crypto.supervisor.service import say_ready
from workers.schedule import TICKS
from workers.ticks import run_forever


class Command(OneLineCommand):
    help = "Runs what happens by the clock. Any number of replicas may run."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        say_ready()
        run_forever(TICKS, stop)
        stop.wait()
