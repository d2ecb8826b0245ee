from decimal import Decimal

import pytest

from crypto.agent.connectors.base import BadOptions, Transaction
from crypto.agent.connectors.simulated import SimulatedConnector


async def test_the_same_seed_and_client_give_the_same_numbers() -> None:
    one, same, other = (SimulatedConnector(client, 7, {}) for client in ("a", "a", "b"))
    for _ in range(5):
        balances = await one.balances(())
        assert balances == await same.balances(())
        assert balances != await other.balances(())


async def test_transactions_account_for_every_change() -> None:
    connector = SimulatedConnector("client", 1, {"symbols": ["BTC"]})
    (before,) = await connector.balances(())
    await connector.transactions()
    moved: list[Transaction] = []
    for _ in range(50):
        (after,) = await connector.balances(("BTC", "XYZ"))
        moved += await connector.transactions()
    signs = {"deposit": Decimal(1), "withdrawal": Decimal(-1)}
    assert moved
    assert after.available - before.available == sum(signs[move.type] * move.amount for move in moved)
    assert len({move.transaction_id for move in moved}) == len(moved)
    assert after.available >= 0


@pytest.mark.parametrize("options", [{"symbols": "BTC"}, {"symbols": [1]}, {"colour": "red"}])
def test_options_that_do_not_fit_are_named(options: dict[str, object]) -> None:
    with pytest.raises(BadOptions, match=r"symbols|colour"):
        SimulatedConnector("client", 1, options)
