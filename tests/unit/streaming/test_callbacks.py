"""The functions a service may be built from: whichever way they take their arguments."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from crypto.grpc.streaming import BidirectionalStreamingService
from crypto.grpc.streaming.callbacks import Callback

OFFERED = {"client_id": "c", "message": "m", "output_queue": "q", "streaming_service": "s"}
REQUIRED = ("client_id", "message", "output_queue")


async def as_documented(client_id: str, message: str, output_queue: str) -> None:
    got(client_id, message, output_queue)


async def with_service(
    client_id: str, message: str, output_queue: str, streaming_service: Any = None
) -> None:
    got(client_id, message, output_queue, streaming_service)


async def with_converter(
    client_id: str, message: str, output_queue: str, converter: str, streaming_service: Any = None
) -> None:
    got(client_id, message, output_queue, converter, streaming_service)


async def converter_first(converter: str, client_id: str, message: str, output_queue: str) -> None:
    got(client_id, message, output_queue, converter)


async def other_names(who: str, what: str, back: str) -> None:
    got(who, what, back)


async def other_names_and_service(who: str, what: str, back: str, *, streaming_service: Any) -> None:
    got(who, what, back, streaming_service)


async def keywords_only(*, message: str, client_id: str, output_queue: str) -> None:
    got(client_id, message, output_queue)


async def positional_only(who: str, what: str, back: str, /) -> None:
    got(who, what, back)


async def anything(**given: Any) -> None:
    got(*given.values())


async def any_position(*given: Any) -> None:
    got(*given)


async def no_queue(client_id: str, message: str) -> None:
    got(client_id, message)


def plain(client_id: str, message: str, output_queue: str) -> None:
    got(client_id, message, output_queue)


class Processor:
    async def __call__(self, client_id: str, message: str, output_queue: str) -> None:
        got(client_id, message, output_queue)

    async def method(self, client_id: str, message: str, output_queue: str) -> None:
        got(client_id, message, output_queue)


calls: list[tuple[Any, ...]] = []


def got(*values: Any) -> None:
    calls.append(values)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (as_documented, "cmq"),
        (with_service, "cmqs"),
        (partial(with_converter, converter="x"), "cmqxs"),
        (partial(with_converter, converter="x", streaming_service="y"), "cmqxy"),
        (partial(converter_first, "x"), "cmqx"),
        (other_names, "cmq"),
        (other_names_and_service, "cmqs"),
        (keywords_only, "cmq"),
        (positional_only, "cmq"),
        (anything, "cmqs"),
        (any_position, "cmq"),
        (no_queue, "cm"),
        (plain, "cmq"),
        (Processor(), "cmq"),
        (Processor().method, "cmq"),
    ],
)
async def test_a_function_gets_what_it_takes(function: Callable[..., Any], expected: str) -> None:
    calls.clear()
    await Callback("message_processor", function, REQUIRED, "streaming_service")(**OFFERED)
    assert calls == [tuple(expected)]


async def too_few(who: str) -> None:
    pass


async def too_many(who: str, what: str, back: str, more: str) -> None:
    pass


@pytest.mark.parametrize(
    "function", [too_few, too_many, lambda: None, partial(with_converter, streaming_service=1)]
)
def test_a_function_that_does_not_fit_is_refused_when_the_service_is_built(
    function: Callable[..., Any],
) -> None:
    with pytest.raises(TypeError, match="message_processor must take client_id, message, output_queue"):
        BidirectionalStreamingService(message_processor=function, client_id_extractor=lambda message: "c")


def test_what_is_missing_is_named_when_the_service_is_built() -> None:
    with pytest.raises(TypeError, match="client_id_extractor"):
        BidirectionalStreamingService(message_processor=as_documented)
    with pytest.raises(TypeError, match="heartbeat_extractor"):
        BidirectionalStreamingService(heartbeat_callback=print)
    with pytest.raises(TypeError, match="message_procesor"):
        BidirectionalStreamingService(message_procesor=as_documented)  # type: ignore[call-arg]
