"""Storing what clients report. A repeated report changes nothing, and an older one never overwrites a newer one."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar

from django.db import connection, models

from crypto.models import ClientError, ClientLog, Transaction, Wallet
from crypto.services.ledger.sql.statements import insert

M = TypeVar("M", bound=models.Model)


def store_wallets(wallets: list[Wallet]) -> list[None]:
    return _store_newest(
        wallets,
        key=("client_id", "wallet_id", "symbol"),
        age="last_sync",
        update=["available", "locked", "updated_at"],
    )


def store_transactions(transactions: list[Transaction]) -> list[None]:
    return _store_newest(
        transactions,
        key=("client_id", "transaction_id"),
        age="reported_at",
        update=["type", "symbol", "amount", "status", "details"],
    )


def store_errors(errors: list[ClientError]) -> list[None]:
    ClientError.objects.bulk_create(errors, ignore_conflicts=True)
    return [None] * len(errors)


def store_logs(logs: list[ClientLog]) -> list[None]:
    ClientLog.objects.bulk_create(logs, ignore_conflicts=True)
    return [None] * len(logs)


def _store_newest(records: list[M], *, key: tuple[str, ...], age: str, update: list[str]) -> list[None]:
    """Insert or update by `key`; a stored row that is newer by the column `age` stays."""
    identify: Callable[[Any], Any] = attrgetter(*key)
    newest = {identify(record): record for record in sorted(records, key=attrgetter(age))}
    # In one order, so that transactions which overlap wait for each other and never deadlock.
    _upsert([newest[where] for where in sorted(newest)], key, age, update)
    return [None] * len(records)


def _upsert(records: list[M], key: tuple[str, ...], age: str, update: list[str]) -> None:
    """One statement. `bulk_create` has no condition for its update and would need a SELECT before."""
    quote = connection.ops.quote_name
    table, newer = quote(type(records[0])._meta.db_table), quote(age)
    sets = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in (*update, age))
    insert(
        records,
        f"ON CONFLICT ({', '.join(map(quote, key))}) DO UPDATE SET {sets}"
        f" WHERE excluded.{newer} >= {table}.{newer}",
    )
