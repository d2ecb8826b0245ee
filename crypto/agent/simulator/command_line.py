"""The command line of `python -m crypto.agent`: from its options to a fleet that runs, of one client or of many."""

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from crypto.agent.connect import run_until_signal
from crypto.agent.connectors import connectors
from crypto.agent.connectors.base import BadOptions
from crypto.agent.simulator import options
from crypto.agent.simulator.behaviour import NOBODY, Behaviour
from crypto.agent.simulator.fleet import Fleet, Plan, client_ids
from crypto.agent.simulator.log_rate_limit import LogRateLimit
from crypto.agent.simulator.options import JournalKind
from crypto.agent.simulator.side_effect_log import SideEffectLog
from crypto.agent.store import Store, StoreInUse

VERSION = "1.0.0"
STATE_HOME = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "crypto-agent"
LOG_LEVELS = ("debug", "info", "warning", "error")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line and ends with 2, the exit code of wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"crypto-agent: {' '.join(message.split())}\n")


def main(arguments: Sequence[str]) -> None:
    """Connects as the clients that the arguments name; returns when a signal has stopped them."""
    parser = _make_parser()
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(f"No such option: {unknown[0]}")
    if sum(map(bool, (given.id, given.fleet, given.ids))) != 1:
        parser.error("name the clients by exactly one of --id, --fleet and --ids")
    clients = [given.id] if given.id else given.ids or client_ids(given.fleet, given.seed)
    _set_up_logging(given.log_level, many=len(clients) > 1)
    try:
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            runner.run(_run(given, clients))
    except (BadOptions, StoreInUse, OSError) as error:
        parser.error(str(error))


def _make_parser() -> _Parser:
    parser = _Parser(
        prog="python -m crypto.agent",
        description="Connect as one client (--id) or as many (--fleet, --ids), and do what the server commands.",
        allow_abbrev=False,
    )
    _add_client_options(parser)
    _add_storage_options(parser)
    _add_trial_options(parser)
    return parser


def _add_client_options(parser: _Parser) -> None:
    """Which server, which clients, and what they say of themselves."""
    known = os.environ.get("CRYPTO_AGENT_SERVER")
    add = parser.add_argument
    add("--server", type=options.server, metavar="HOST:PORT", default=known, required=known is None,
        help="Else CRYPTO_AGENT_SERVER.")  # fmt: skip
    add("--id", type=options.client_id, metavar="UUID", help="Be this client.")
    add("--fleet", type=options.whole(0, 100_000), metavar="N", default=0,
        help="Be this many clients, ids drawn from --seed.")  # fmt: skip
    add("--ids", type=options.id_file, metavar="FILE", help="Be the clients in this file, one UUID a line.")
    add("--name", default="agent", help="Name shown to people; in a fleet a number follows it.")
    add(
        "--type", type=options.words, metavar="TYPE[,..]", default="reference", help="A fleet deals them out."
    )
    add("--agent-version", type=options.words, metavar="VERSION[,..]", default=VERSION, help="Likewise.")
    add("--connector", type=options.connector, metavar="NAME", default="simulated",
        help=f"Source of balances: {', '.join(connectors)} (simulated).")  # fmt: skip
    add("--connector-options", type=options.document, metavar="JSON|FILE", default={},
        help="The connector's options, as an object.")  # fmt: skip
    add("--seed", type=int, metavar="N", default=0, help="Everything drawn by lot comes from it.")
    add("--heartbeat", type=options.seconds, metavar="SECONDS", default=30.0, help="Between heartbeats (30).")
    add("--token-file", type=options.file_text, metavar="FILE", help="Else CRYPTO_AGENT_TOKEN.")


def _add_storage_options(parser: _Parser) -> None:
    """What is kept, and what is logged."""
    add = parser.add_argument
    add("--data-dir", type=Path, metavar="DIR", default=STATE_HOME, help="Where the journal lives.")
    add("--journal", choices=list(JournalKind), metavar="durable|fast|memory",
        help="durable: on disk before anything happens (one client's default). fast: survives the process only."
        " memory: survives nothing (a fleet's default).")  # fmt: skip
    add("--log-level", choices=LOG_LEVELS, metavar="|".join(LOG_LEVELS), default="info")


def _add_trial_options(parser: _Parser) -> None:
    """What only trials and benchmarks want: clients that misbehave, and records of what they did."""
    add = parser.add_argument_group("Trials and benchmarks").add_argument
    for name, help in (
        ("--silent", "Clients that never ack."),
        ("--refusing", "Clients that refuse every command."),
        ("--offline", "Clients that never connect."),
        ("--first-contract", "Clients that know no addition to the first contract."),
    ):
        add(name, type=options.share, metavar="N|P%", default=NOBODY, help=help)
    add("--slow-ms", type=options.whole(0), metavar="N", default=0,
        help="Milliseconds before each handler runs.")  # fmt: skip
    add("--effects", type=Path, metavar="FILE", help="Append `client command verb` for each handler.")
    add("--stats", type=Path, metavar="FILE", help="Keep counts here as JSON, every 5 s and on SIGUSR1.")


def _set_up_logging(level: str, *, many: bool) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if many and level != "debug":
        logging.getLogger("crypto.agent.client").addFilter(LogRateLimit(records=5, seconds=10.0))


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed; nothing needs it."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(given: argparse.Namespace, clients: Sequence[str]) -> None:
    kind = given.journal or (JournalKind.DURABLE if given.id else JournalKind.MEMORY)
    path = None if kind == JournalKind.MEMORY else _store_path(given.data_dir, given.id)
    plan = _make_plan(given, clients)
    async with Store(path, durable=kind == JournalKind.DURABLE) as store:
        fleet = Fleet(plan, store)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, fleet.write_stats)
        await run_until_signal(fleet)


def _store_path(data_dir: Path, client_id: str | None) -> Path:
    """The file of this client, or of the fleet; makes the directory."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return data_dir / f"{client_id or 'fleet'}.sqlite3"


def _make_plan(given: argparse.Namespace, clients: Sequence[str]) -> Plan:
    settings: dict[str, Any] = given.connector_options
    return Plan(
        given.server,
        clients,
        connector=lambda client_id: given.connector(client_id, given.seed, settings),
        seed=given.seed,
        name=given.name,
        types=given.type,
        versions=given.agent_version,
        token=given.token_file or os.environ.get("CRYPTO_AGENT_TOKEN", ""),
        heartbeat=given.heartbeat,
        delay=given.slow_ms / 1000,
        shares={
            Behaviour.OFFLINE: given.offline,
            Behaviour.SILENT: given.silent,
            Behaviour.REFUSING: given.refusing,
        },
        first_contract=given.first_contract,
        side_effects=SideEffectLog(given.effects) if given.effects else None,
        stats=given.stats,
    )
