"""Hooks made of plain functions, for a service that is built without a class of its own."""

from collections.abc import Callable
from functools import partial
from inspect import Parameter, isawaitable, signature
from typing import Any

from .hooks import StreamHooks, TAck, TCommand, TMessage
from .output_queue import OutputQueue
from .session import Session

Function = Callable[..., Any]


class Callback:
    """A function, called with those of the offered arguments that it takes.

    They are passed by name. A function whose parameters have other names gets the first ones, the required, by
    position. Raises TypeError if it can take them neither way.
    """

    def __init__(self, name: str, function: Function, required: tuple[str, ...], *optional: str) -> None:
        self._function = function
        parameters = signature(function).parameters
        bound = function.keywords if isinstance(function, partial) else {}
        anything = any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values())
        takes = [
            each for each in (*required, *optional) if (anything or each in parameters) and each not in bound
        ]
        needs = {each.name for each in parameters.values() if _must_be_given(each)}
        self._by_name = needs <= set(takes) and (anything or bool(set(takes) & set(required)))
        self._positional = () if self._by_name else required
        self._named = tuple(each for each in takes if each not in self._positional)
        try:
            signature(function).bind(*self._positional, **dict.fromkeys(self._named))
        except TypeError as error:
            raise TypeError(f"{name} must take {', '.join(required)}: {error}") from None

    @property
    def arguments(self) -> frozenset[str]:
        """Names of the arguments that the function gets."""
        return frozenset(self._positional + self._named)

    async def __call__(self, **offered: Any) -> None:
        """Waits for the function if it is a coroutine function."""
        positional = [offered[name] for name in self._positional]
        result = self._function(*positional, **{name: offered[name] for name in self._named})
        if isawaitable(result):
            await result


class CallbackHooks(StreamHooks[TMessage, TCommand, TAck]):
    """Every function may be left out, and a subclass may override the hooks as any others."""

    def __init__(
        self,
        *,
        message_processor: Function | None = None,
        client_id_extractor: Callable[[TMessage], Any] | None = None,
        ping_message_creator: Callable[[], TCommand | None] | None = None,
        command_ack_extractor: Callable[[TMessage], TAck | None] | None = None,
        heartbeat_extractor: Callable[[TMessage], Any] | None = None,
        heartbeat_callback: Function | None = None,
    ) -> None:
        """The extractors answer with what the message holds, or None.

        `message_processor(client_id, message, output_queue)` gets every message that is neither an ack nor a
        heartbeat, the first one included, and `streaming_service=` if it takes that.
        `heartbeat_callback(client_id, heartbeat, metadata)` gets what the heartbeat extractor found, and the
        metadata with which the client called, as a dict.
        """
        if message_processor is not None and client_id_extractor is None:
            raise TypeError("a message_processor needs a client_id_extractor, too")
        if heartbeat_callback is not None and heartbeat_extractor is None:
            raise TypeError("a heartbeat_callback needs a heartbeat_extractor, too")
        self._extract_client_id = client_id_extractor
        self._extract_ack = command_ack_extractor
        self._extract_heartbeat = heartbeat_extractor
        self._create_ping = ping_message_creator
        self._process = message_processor and Callback(
            "message_processor",
            message_processor,
            ("client_id", "message", "output_queue"),
            "streaming_service",
        )
        self._on_heartbeat = heartbeat_callback and Callback(
            "heartbeat_callback",
            heartbeat_callback,
            ("client_id", "heartbeat", "metadata"),
            "output_queue",
            "streaming_service",
        )
        self.takes_registration = message_processor is not None

    def client_id_of(self, message: TMessage) -> str | None:
        if self._extract_client_id is None:
            return super().client_id_of(message)
        client_id = self._extract_client_id(message)
        return None if client_id is None else str(client_id)

    def command_id_of(self, command: TCommand) -> str:
        """Its `command_id`."""
        return str(command.command_id)  # type: ignore[attr-defined]  # a service without it overrides this

    def ack_of(self, message: TMessage) -> tuple[str, TAck] | None:
        if self._extract_client_id is None:
            return super().ack_of(message)
        ack = self._extract_ack(message) if self._extract_ack is not None else None
        return None if ack is None else (str(ack.command_id), ack)  # type: ignore[attr-defined]

    def make_ping(self, session: Session) -> TCommand | None:
        return self._create_ping() if self._create_ping is not None else None

    async def on_message(self, session: Session, message: TMessage) -> None:
        if self._on_heartbeat and self._extract_heartbeat:
            heartbeat = self._extract_heartbeat(message)
            if heartbeat is not None:
                await self._call(self._on_heartbeat, session, heartbeat=heartbeat)
                return
        if self._process:
            await self._call(self._process, session, message=message)

    async def _call(self, callback: Callback, session: Session, **values: Any) -> None:
        metadata = session.metadata() if "metadata" in callback.arguments else {}
        await callback(
            client_id=session.client_id,
            metadata=metadata,
            output_queue=OutputQueue[TCommand](session),
            streaming_service=self,
            **values,
        )


def _must_be_given(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind not in (
        Parameter.VAR_POSITIONAL,
        Parameter.VAR_KEYWORD,
    )
