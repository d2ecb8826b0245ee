"""What a thin adapter names of its service, and what it is told when that is not so."""

from typing import Any, TypeVar

import pytest

from crypto.grpc.streaming import CommandClientConfig, StreamingCommandClient
from tests.bots.wire.bots_pb2 import BotCommand, SendCommandRequest
from tests.bots.wire.bots_pb2_grpc import BotStreamingStub

GOOD: dict[str, Any] = {
    "stub_class": BotStreamingStub,
    "request_class": SendCommandRequest,
    "rpc_method_name": "SendCommand",
    "client_id_field": "bot_id",
}

T = TypeVar("T")


def adapter(**variables: Any) -> type[StreamingCommandClient[Any]]:
    return type("Adapter", (StreamingCommandClient,), variables)


def test_the_rpc_that_waits_is_found() -> None:
    assert adapter(**GOOD).wait_method_name == "ExecuteCommand"
    assert adapter(**GOOD, wait_method_name="SendCommand").wait_method_name == "SendCommand"


@pytest.mark.parametrize("left_out", GOOD)
def test_what_is_missing_is_named_when_the_class_is_made(left_out: str) -> None:
    with pytest.raises(TypeError, match=left_out):
        adapter(**{name: value for name, value in GOOD.items() if name != left_out})


@pytest.mark.parametrize(
    ("variable", "wrong"),
    [
        ("rpc_method_name", "SendComand"),
        ("wait_method_name", "ExecuteComand"),
        ("client_id_field", "client_id"),
        ("command_field", "comand"),
    ],
)
def test_what_the_service_does_not_have_is_named_when_the_class_is_made(variable: str, wrong: str) -> None:
    with pytest.raises(TypeError, match=f"{variable}.*{wrong}"):
        adapter(**GOOD | {variable: wrong})


def test_an_adapter_without_anything_is_refused() -> None:
    with pytest.raises(TypeError, match="stub_class, request_class, rpc_method_name"):

        class Nothing(StreamingCommandClient[BotCommand]):
            pass


def test_a_base_of_adapters_may_leave_open_what_its_adapters_say() -> None:
    class Base(StreamingCommandClient[T]):
        client_id_field = "bot_id"

    class Adapter(Base[BotCommand]):
        stub_class = BotStreamingStub
        request_class = SendCommandRequest
        rpc_method_name = "SendCommand"

    assert Adapter.wait_method_name == "ExecuteCommand"


def test_a_stub_that_was_not_generated_is_taken_as_it_is() -> None:
    class Stub:
        pass

    class Request:
        pass

    made = adapter(stub_class=Stub, request_class=Request, rpc_method_name="Send")
    assert made.wait_method_name == ""


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({}, "127.0.0.1:50051"),
        ({"grpc_port": 50052}, "127.0.0.1:50052"),
        ({"grpc_host": "streaming"}, "streaming:50051"),
        ({"grpc_host": "::1", "grpc_port": 50052}, "[::1]:50052"),
        ({"config": CommandClientConfig(address="a:1")}, "a:1"),
        ({"config": CommandClientConfig(address="a:1"), "grpc_port": 2}, "a:2"),
    ],
)
def test_the_address(options: dict[str, Any], address: str) -> None:
    assert adapter(**GOOD)("b1", **options).config.address == address


def test_the_model_is_kept() -> None:
    model = object()
    assert adapter(**GOOD)("b1", model=model).model is model
    assert adapter(**GOOD)("b1").model is None
