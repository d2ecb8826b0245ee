"""`python -m crypto.agent`: the reference client, one or a fleet of them."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from typer import Option
from typer.exceptions import TyperException

from crypto.agent import options
from crypto.agent.behaviour import Behaviour
from crypto.agent.connectors.base import BadOptions
from crypto.agent.connectors.registry import connectors
from crypto.agent.effects import Effects
from crypto.agent.fleet import Fleet, Plan, client_ids
from crypto.agent.options import JournalKind, LogLevel
from crypto.agent.process import run_until_signal
from crypto.agent.sparse import Sparse
from crypto.agent.store import Store, StoreInUse

VERSION = "1.0.0"
STATE_HOME = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "crypto-agent"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


TRIALS = "Trials and benchmarks"


def part(text: str) -> Any:
    return Option(parser=options.share, metavar="N|P%", help=text, rich_help_panel=TRIALS)


@app.command(
    help="Connect as one client (--id) or as many (--fleet, --ids), and do what the server commands."
)
def run(
    server: Annotated[Any, Option(parser=options.server, metavar="HOST:PORT", envvar="CRYPTO_AGENT_SERVER")],
    client_id: Annotated[
        Any, Option("--id", parser=options.client_id, metavar="UUID", help="Be this client.")
    ] = None,
    fleet: Annotated[
        int, Option(min=0, max=100_000, help="Be this many clients, ids drawn from --seed.")
    ] = 0,
    ids: Annotated[
        Any,
        Option(parser=options.id_file, metavar="FILE", help="Be the clients in this file, one UUID a line."),
    ] = None,
    name: Annotated[str, Option(help="Name shown to people; in a fleet a number follows it.")] = "agent",
    types: Annotated[
        Any, Option("--type", parser=options.words, metavar="TYPE[,..]", help="A fleet deals them out.")
    ] = "reference",
    versions: Annotated[
        Any, Option("--agent-version", parser=options.words, metavar="VERSION[,..]", help="Likewise.")
    ] = VERSION,
    connector: Annotated[str, Option(help=f"Source of balances: {', '.join(connectors)}.")] = "simulated",
    connector_options: Annotated[
        Any,
        Option(parser=options.document, metavar="JSON|FILE", help="The connector's options, as an object."),
    ] = "{}",
    seed: Annotated[int, Option(help="Everything drawn by lot comes from it.")] = 0,
    heartbeat: Annotated[float, Option(min=0.1, help="Seconds between heartbeats.")] = 30.0,
    data_dir: Annotated[Path, Option(file_okay=False, help="Where the journal lives.")] = STATE_HOME,
    journal: Annotated[
        JournalKind | None,
        Option(
            help="durable: on disk before anything happens (one client's default). fast: survives the process"
            " only. memory: survives nothing (a fleet's default)."
        ),
    ] = None,
    token: Annotated[
        Any, Option("--token-file", parser=options.secret, metavar="FILE", help="Else CRYPTO_AGENT_TOKEN.")
    ] = None,
    stats: Annotated[
        Path | None, Option(dir_okay=False, help="Keep counts here as JSON, every 5 s and on SIGUSR1.")
    ] = None,
    silent: Annotated[Any, part("Clients that never ack.")] = "0",
    refusing: Annotated[Any, part("Clients that refuse every command.")] = "0",
    offline: Annotated[Any, part("Clients that never connect.")] = "0",
    first_contract: Annotated[Any, part("Clients that know no addition to the first contract.")] = "0",
    slow_ms: Annotated[
        int, Option(min=0, help="Milliseconds before each handler runs.", rich_help_panel=TRIALS)
    ] = 0,
    effects: Annotated[
        Path | None,
        Option(dir_okay=False, help="Append `client command verb` for each handler.", rich_help_panel=TRIALS),
    ] = None,
    log_level: Annotated[LogLevel, Option()] = LogLevel.INFO,
) -> None:
    clients = [client_id] if client_id else ids or client_ids(fleet, seed)
    if not clients or (client_id is not None) + (ids is not None) + (fleet > 0) != 1:
        raise typer.BadParameter("name the clients by exactly one of --id, --fleet and --ids")
    if connector not in connectors:
        raise typer.BadParameter(f"--connector: {connector!r} is none of {', '.join(connectors)}")
    logging.basicConfig(
        level=log_level.value.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if len(clients) > 1 and log_level != LogLevel.DEBUG:
        logging.getLogger("crypto.agent.client").addFilter(Sparse(records=5, seconds=10.0))
    factory = connectors[connector]
    plan = Plan(
        server,
        clients,
        connector=lambda one: factory(one, seed, connector_options),
        seed=seed,
        name=name,
        types=types,
        versions=versions,
        token=token or os.environ.get("CRYPTO_AGENT_TOKEN", ""),
        heartbeat=heartbeat,
        delay=slow_ms / 1000,
        shares={Behaviour.OFFLINE: offline, Behaviour.SILENT: silent, Behaviour.REFUSING: refusing},
        first_contract=first_contract,
        effects=Effects(effects) if effects else None,
        stats=stats,
    )
    kind = journal or (JournalKind.DURABLE if client_id else JournalKind.MEMORY)
    path = None if kind == JournalKind.MEMORY else _store_path(data_dir, client_id)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(plan, path, durable=kind == JournalKind.DURABLE))


def _store_path(data_dir: Path, client_id: str | None) -> Path:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return data_dir / f"{client_id or 'fleet'}.sqlite3"


async def _run(plan: Plan, path: Path | None, *, durable: bool) -> None:
    async with Store(path, durable=durable) as store:
        fleet = Fleet(plan, store)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, fleet.write_stats)
        await run_until_signal(fleet)


def main() -> None:
    try:
        sys.exit(app(prog_name="python -m crypto.agent", standalone_mode=False))
    except TyperException as error:
        _fail(error.format_message())
    except (BadOptions, StoreInUse, OSError) as error:
        _fail(str(error))


def _fail(sentence: str) -> None:
    """One line and the exit code of wrong usage."""
    sys.stderr.write(f"crypto-agent: {' '.join(sentence.split())}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
