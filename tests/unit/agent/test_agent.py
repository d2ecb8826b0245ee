import pytest

from crypto.agent.agent import Agent
from crypto.agent.connectors.simulated import SimulatedConnector
from crypto.agent.reference import ReferenceAgent
from crypto.commands import registry


def test_a_handler_for_no_command_fails_at_import() -> None:
    with pytest.raises(TypeError, match="on_pingg"):
        type("Mistaken", (Agent,), {"on_pingg": lambda self, command: None})


def test_the_reference_agent_carries_out_every_command() -> None:
    agent = ReferenceAgent(SimulatedConnector("client", 0, {}))
    assert [name for name in registry if agent.handler(name) is None] == []


def test_only_commands_newer_than_the_first_contract_are_declared() -> None:
    agent = ReferenceAgent(SimulatedConnector("client", 0, {}))
    assert set(agent.capabilities()) == {"update_config", "restart", "get_wallets"}
    assert set(Agent().capabilities()) == {"update_config", "restart"}
