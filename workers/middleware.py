"""Dramatiq middleware: two of its own with a defect fixed, and two that connect workers to their supervisor."""

from typing import Any

from dramatiq import Broker, MessageProxy, Middleware, Worker
from dramatiq import middleware as dramatiq_middleware
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.errors import BrokerError

from crypto.supervisor.deathsig import die_with_parent
from crypto.supervisor.service import say_ready


class Retries(dramatiq_middleware.Retries):
    """No retries unless an actor asks: a command is retried from its row. A message whose retry cannot be
    enqueued goes to the dead letters instead of being acknowledged."""

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        try:
            super().after_process_message(broker, message, result=result, exception=exception)
        except BrokerError:
            message.fail()
            raise


class AsyncIO(dramatiq_middleware.AsyncIO):
    """The event loop's thread is a daemon: a second stop signal ends the worker at once."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        thread = EventLoopThread(self.logger)
        thread.daemon = True
        thread.start(timeout=10)
        set_event_loop_thread(thread)


class DieWithParent(Middleware):
    """A worker process ends with its master; else it would go on consuming without supervision."""

    def after_process_boot(self, broker: Broker) -> None:
        die_with_parent()


class SayReady(Middleware):
    """Tells the supervisor that the worker has booted."""

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        say_ready()
