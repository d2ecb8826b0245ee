import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.agent.simulator.behaviour import Behaviour, Share, assign
from crypto.agent.simulator.fleet import client_ids


def test_a_share_is_a_count_or_a_percentage() -> None:
    assert Share.parse("10%").of(200) == 20
    assert Share.parse("25").of(200) == 25
    assert Share.parse("500").of(200) == 200


@pytest.mark.parametrize("text", ["ten", "-1", "101%", "", "%"])
def test_nonsense_is_no_share(text: str) -> None:
    with pytest.raises(ValueError):
        Share.parse(text)


@given(st.integers(1, 500), st.integers(0, 50), st.integers(0, 50), st.integers())
def test_behaviours_are_dealt_out_exactly(count: int, silent: int, offline: int, seed: int) -> None:
    shares = {Behaviour.SILENT: Share(silent, True), Behaviour.OFFLINE: Share(offline, True)}
    dealt = assign(count, shares, seed)
    assert len(dealt) == count
    assert dealt.count(Behaviour.SILENT) == shares[Behaviour.SILENT].of(count)
    assert dealt == assign(count, shares, seed)


def test_a_larger_fleet_contains_the_smaller_one() -> None:
    assert client_ids(20, seed=3)[:10] == client_ids(10, seed=3)
    assert set(client_ids(10, seed=3)).isdisjoint(client_ids(10, seed=4))
