from pathlib import Path

import pytest

from crypto.agent.store import Store, StoreFailed, StoreInUse


@pytest.mark.parametrize("durable", [True, False])
async def test_what_was_handed_in_is_there_after_reopening(tmp_path: Path, durable: bool) -> None:
    async with Store(tmp_path / "store", durable=durable) as store:
        store.later(lambda db: db.execute("INSERT INTO fact VALUES ('client', 'key', 'old')"))
        await store.do(lambda db: db.execute("UPDATE fact SET value = 'new'"))
        store.later(lambda db: db.execute("INSERT INTO fact VALUES ('client', 'last', 'one')"))
    async with Store(tmp_path / "store", durable=durable) as store:
        rows = await store.do(lambda db: db.execute("SELECT key, value FROM fact ORDER BY key").fetchall())
    assert rows == [("key", "new"), ("last", "one")]


async def test_two_processes_cannot_share_a_file(tmp_path: Path) -> None:
    async with Store(tmp_path / "store"):
        with pytest.raises(StoreInUse, match="locked"):
            Store(tmp_path / "store")


@pytest.mark.parametrize("durable", [True, False])
async def test_a_commit_that_fails_is_told_to_who_waits_for_it(tmp_path: Path, durable: bool) -> None:
    async with Store(tmp_path / "store", durable=durable) as store:
        with pytest.raises(StoreFailed):
            await store.do(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"))
        assert await store.do(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
