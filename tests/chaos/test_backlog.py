from pathlib import Path

import pytest

from tests.chaos.backlog import arrive

pytestmark = pytest.mark.chaos


def test_a_thousand_commands_wait_for_clients_that_come_all_at_once(
    tmp_path: Path, chaos_database: str | None
) -> None:
    arrival = arrive(tmp_path, clients=100, each=10, say=print, database_url=chaos_database)
    assert arrival.commands == 1_000
    assert arrival.violations == []
    assert arrival.out_of_order == 0
