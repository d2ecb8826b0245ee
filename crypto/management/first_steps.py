"""The account and the schedule a new installation starts with, and the words that show how to use it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from rest_framework.authtoken.models import Token

from crypto.models import Schedule
from crypto.supervisor.secret import kept_secret

ADMIN = "admin"
SYNC = "Sync every wallet every 5 minutes"


@dataclass(frozen=True)
class Account:
    username: str
    password: str | None
    """None when somebody has changed it."""
    token: str


def ensure_account(data_dir: Path) -> Account:
    """The superuser `admin` with the password kept in the data directory, and its API token."""
    password = kept_secret(data_dir / "admin_password", length=12)
    users = get_user_model().objects
    user = users.filter(username=ADMIN).first()
    if user is None:
        user = users.create_superuser(ADMIN, password=password)
    token, _ = Token.objects.get_or_create(user=user)
    return Account(ADMIN, password if user.check_password(password) else None, token.key)


def ensure_schedule(data_dir: Path) -> None:
    """Once for each data directory: whoever deletes the schedule does not get it again."""
    made = data_dir / "default_schedule"
    if made.exists():
        return
    if not Schedule.objects.filter(name=SYNC).exists():
        # Those that are not connected have nothing to sync, and would only fill the ledger.
        Schedule(name=SYNC, command="sync_wallets", selector={"connected": True}, interval=300).save()
    made.touch()


def as_text(url: str, streaming_address: str, account: Account, client_id: str | None, file: str) -> str:
    """What `up` prints once everything runs; client_id is one to try the command on, file what a shell reads."""
    api = f"{url}/api/crypto/commands/"
    curl = f"curl -s -H 'Authorization: Token {account.token}'"
    password = account.password or "the one you have set"
    return f"""
  Admin      {url}/admin/    {account.username} / {password}
  API        {url}/api/crypto/docs/
  Streaming  {streaming_address}

  {curl} {api}
  {curl} -X POST {api}{client_id or "CLIENT_ID"}/ping/

  In another terminal:  . {file}  sets PATH, API, AUTH and CLIENT, and then ./manage.py clients works.
  Ctrl-C stops everything.
"""


def as_json(url: str, streaming_address: str, account: Account, client_id: str | None) -> dict[str, Any]:
    return {
        "url": url,
        "admin": f"{url}/admin/",
        "api": f"{url}/api/crypto/",
        "streaming": streaming_address,
        "client_id": client_id,
        **asdict(account),
    }
