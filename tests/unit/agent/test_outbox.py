from pathlib import Path

from crypto.agent.outbox import Outbox
from crypto.agent.store import Store
from crypto.wire.crypto_streaming_pb2 import ClientMessage, LogEntry


def report(name: str) -> ClientMessage:
    return ClientMessage(client_id="client", message_id=name, log=LogEntry(message=name))


def names(messages: list[ClientMessage]) -> list[str]:
    return [message.log.message for message in messages]


async def test_reports_outlive_the_process_until_they_are_acknowledged(tmp_path: Path) -> None:
    async with Store(tmp_path / "store") as store:
        outbox = Outbox(store, "client", limit=10)
        for name in ("a", "b", "c"):
            outbox.put(report(name), sent=True)
        assert outbox.remove(["b", "nobody's"]) == 1
    async with Store(tmp_path / "store") as store:
        again = Outbox(store, "client", limit=10)
        await again.load()
        assert names(again.start_stream()[1]) == ["a", "c"]
        other = Outbox(store, "other", limit=10)
        await other.load()
        assert other.start_stream() == ([], [])


async def test_what_no_stream_carried_is_told_apart_once() -> None:
    async with Store(None) as store:
        outbox = Outbox(store, "client", limit=10)
        outbox.put(report("sent"), sent=True)
        outbox.put(report("unsent"), sent=False)
        unsent, sent = outbox.start_stream()
        assert (names(unsent), names(sent)) == (["unsent"], ["sent"])
        unsent, sent = outbox.start_stream()
        assert (names(unsent), names(sent)) == ([], ["sent", "unsent"])


async def test_the_oldest_gives_way(tmp_path: Path) -> None:
    async with Store(tmp_path / "store") as store:
        outbox = Outbox(store, "client", limit=2)
        for name in ("a", "b", "c"):
            outbox.put(report(name), sent=False)
        assert outbox.dropped == 1
        assert names(outbox.start_stream()[0]) == ["b", "c"]
    async with Store(tmp_path / "store") as store:
        again = Outbox(store, "client", limit=2)
        await again.load()
        assert names(again.start_stream()[1]) == ["b", "c"]
