"""What a second terminal needs to talk to a running installation, as a file for the shell to read."""

import os
import sys
from pathlib import Path
from shlex import quote

from crypto.management.first_steps import Account
from crypto.supervisor.roles import Installation

NAME = "env.sh"


def keep(here: Installation, account: Account, client_id: str | None) -> Path:
    """Writes the file anew, for the owner's eyes only: it holds the API token. Returns where it is."""
    values = {
        "DATA_DIR": str(here.data_dir),
        "STREAMING_ADDRESS": here.streaming_address,
        **({"REDIS_URL": here.redis_url} if here.redis_url is not None else {}),
        "URL": here.url,
        "API": f"{here.url}/api/crypto",
        "AUTH": f"Authorization: Token {account.token}",
        **({"CLIENT": client_id} if client_id is not None else {}),
    }
    lines = [f"export {name}={quote(value)}" for name, value in values.items()]
    path = f"export PATH={quote(str(Path(sys.executable).parent))}:$PATH"
    file = here.data_dir / NAME
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as sink:
        sink.write("\n".join([path, *lines, ""]))
    return file


def spoken(file: Path) -> str:
    """As one types it here."""
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
