from typing import Any

import pytest

from crypto.grpc.streaming import StreamingConfig


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
    [{"ping_interval": 0}, {"registration_timeout": -1}, {"outbox_limit": 0}, {"heartbeat_timeout": 10}],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StreamingConfig(**wrong)


def test_no_grace_is_allowed() -> None:
    assert StreamingConfig(client_disconnect_grace=0).client_disconnect_grace == 0
