from dataclasses import fields
from typing import Any

import pytest

from crypto.grpc.streaming import BidirectionalStreamingService, StreamingConfig


def test_the_defaults_are_those_of_the_contract() -> None:
    config = StreamingConfig()
    assert (config.heartbeat_interval, config.heartbeat_timeout) == (30, 90)
    assert (config.enable_ping, config.ping_interval) == (True, 60)
    assert config.client_disconnect_grace == 5
    assert config.centrifugo_auto_publish_messages
    assert config.centrifugo_channel_pattern == "crypto:{client_id}:updates"
    assert config.centrifugo_publish_all_channel == "crypto:all"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ping_interval": 0},
        {"registration_timeout": -1},
        {"outbox_limit": 0},
        {"heartbeat_timeout": 10},
        {"write_timeout": float("nan")},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StreamingConfig(**wrong)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        type("MyConfig", (StreamingConfig,), wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"heartbeat_intervall": 30},
        {"ping_interval": "60"},
        {"enable_ping": 1},
        {"outbox_limit": True},
        {"centrifugo_channel_pattern": None},
    ],
)
def test_names_and_types_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(wrong))):
        StreamingConfig(**wrong)
    with pytest.raises(TypeError, match=next(iter(wrong))):
        type("MyConfig", (StreamingConfig,), wrong)


def test_no_grace_is_allowed() -> None:
    assert StreamingConfig(client_disconnect_grace=0).client_disconnect_grace == 0


class MyConfig(StreamingConfig):
    """As pages show it."""

    service_name = "mine"
    heartbeat_interval = 31
    heartbeat_timeout: float = 93
    enable_ping = False
    centrifugo_channel_pattern = "mine:{client_id}"

    def describe(self) -> str:
        return f"{self.service_name} every {self.heartbeat_interval} s"


class Stricter(MyConfig):
    heartbeat_timeout = 62


def test_class_attributes_count() -> None:
    config = MyConfig()
    assert (config.heartbeat_interval, config.heartbeat_timeout, config.enable_ping) == (31, 93, False)
    assert config.ping_interval == 60
    assert config.describe() == "mine every 31 s"
    assert MyConfig.heartbeat_interval == 31
    assert MyConfig.ping_interval == 60
    assert (Stricter().heartbeat_interval, Stricter().heartbeat_timeout) == (31, 62)
    assert [field.name for field in fields(Stricter)] == [field.name for field in fields(StreamingConfig)]


def test_an_instance_may_differ_from_its_class() -> None:
    config = MyConfig(heartbeat_interval=32)
    assert (config.heartbeat_interval, config.service_name) == (32, "mine")
    assert StreamingConfig().heartbeat_interval == 30
    with pytest.raises(AttributeError):
        config.heartbeat_interval = 33


@pytest.mark.parametrize("given", [MyConfig, MyConfig(), Stricter])
def test_a_service_takes_the_class_or_an_instance(given: Any) -> None:
    service: BidirectionalStreamingService[Any, Any, Any] = BidirectionalStreamingService(config=given)
    assert isinstance(service.config, MyConfig)
    assert service.config.heartbeat_interval == 31
    assert service.logger.name == "crypto.grpc.streaming.mine"


@pytest.mark.parametrize("given", [{"heartbeat_interval": 30}, dict, 30])
def test_a_service_takes_nothing_else(given: Any) -> None:
    with pytest.raises(TypeError, match="StreamingConfig"):
        BidirectionalStreamingService(config=given)
