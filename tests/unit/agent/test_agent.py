import pytest

from crypto.agent.agent import Agent
from crypto.agent.connectors.simulated import SimulatedConnector
from crypto.agent.reference import ReferenceAgent
from crypto.commands import registry
from crypto.wire.crypto_streaming_pb2 import DjangoCommand

LAST_OF_THE_FIRST_CONTRACT = 14
"""The highest field number of a command that every client knows."""


def reference() -> ReferenceAgent:
    return ReferenceAgent(SimulatedConnector("client", 0, {}))


def is_newer(name: str) -> bool:
    return DjangoCommand.DESCRIPTOR.fields_by_name[name].number > LAST_OF_THE_FIRST_CONTRACT


def test_a_handler_for_no_command_fails_at_import() -> None:
    with pytest.raises(TypeError, match="on_pingg"):
        type("Mistaken", (Agent,), {"on_pingg": lambda self, command: None})


def test_the_reference_agent_carries_out_what_every_client_must() -> None:
    agent = reference()
    assert [name for name in registry if not is_newer(name) and agent.handler(name) is None] == []


@pytest.mark.parametrize("agent", [Agent(), reference()])
def test_of_the_newer_commands_an_agent_declares_those_it_carries_out(agent: Agent) -> None:
    newer = {name for name in registry if is_newer(name)}
    assert set(agent.capabilities()) == {name for name in newer if hasattr(type(agent), f"on_{name}")}
    assert {"update_config", "restart"} <= set(agent.capabilities()) <= newer
    assert ("get_wallets" in agent.capabilities()) is isinstance(agent, ReferenceAgent)
