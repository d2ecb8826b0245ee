"""Selectors: JSON that says which clients, compiled to a filter.

{"all": true}                          {"ids": ["…", "…"]}
{"status": "ACTIVE"}                   {"type": ["spot", "futures"]}
{"version": {">=": "1.2", "<": "2"}}   {"labels": {"region": "eu"}}
{"last_seen": {"within": "5m"}}        {"last_seen": {"before": "2h"}}
{"connected": true}                    {"operation": {"id": "…", "states": ["FAILED"]}}
{"and": [s, …]}  {"or": [s, …]}  {"not": s}; several keys in one object mean "and".
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from django.db.models import Q, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import Exact, In
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from crypto.exceptions import InvalidParameters
from crypto.models import Client, ClientStatus, CommandLog, Operation, State, clock
from crypto.models.stream_node import alive
from crypto.services.labels import LABEL
from crypto.services.versions import version_key

EVERYBODY: dict[str, Any] = {"all": True}
MAX_IDS = 20_000
MAX_DEPTH = 10
MAX_TERMS = 200
"""Terms in one selector, at most: a bound on the size of the query."""
SPAN = re.compile(r"(\d{1,6})([smhd])")
CENTURY = timedelta(days=36_500)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
COMPARISONS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "=": "exact"}


class Spot(NamedTuple):
    """A place in the selector, for error messages."""

    path: str = "selector"
    depth: int = 0

    def at(self, key: str | int) -> "Spot":
        step = f"[{key}]" if isinstance(key, int) else f".{key}"
        return Spot(self.path + step, self.depth + 1)

    def refuse(self, sentence: str) -> NoReturn:
        raise InvalidParameters({self.path: [sentence]})


def compile_selector(selector: object) -> Q:
    """The filter for `Client`. Raises InvalidParameters, which names the place in the selector."""
    if _terms(selector) > MAX_TERMS:
        Spot().refuse(f"Must have at most {MAX_TERMS} terms.")
    return _tree(selector, Spot())


def _terms(node: object) -> int:
    """Number of terms, about; ids in a list are not counted."""
    if isinstance(node, dict):
        return sum(1 + _terms(value) for value in node.values())
    return sum(_terms(value) for value in node) if isinstance(node, list) else 0


def _tree(node: object, spot: Spot) -> Q:
    if not isinstance(node, dict) or not node:
        spot.refuse('Must be an object such as {"all": true}.')
    if spot.depth > 2 * MAX_DEPTH:
        spot.refuse("Is nested too deeply.")
    found = Q()
    for key, value in node.items():
        term = TERMS.get(key)
        if term is None:
            spot.at(str(key)[:40]).refuse(f"Unknown field; known are {', '.join(TERMS)}.")
        found &= term(value, spot.at(key))
    return found


def _all(value: object, spot: Spot) -> Q:
    if value is not True:
        spot.refuse("Must be true.")
    return ~Q(pk__in=[])


def _ids(value: object, spot: Spot) -> Q:
    if not isinstance(value, list) or len(value) > MAX_IDS:
        spot.refuse(f"Must be a list of at most {MAX_IDS} ids.")
    ids = {_uuid(text, spot.at(at)) for at, text in enumerate(value)}
    known = set(Client.objects.filter(pk__in=ids).values_list("pk", flat=True))
    if unknown := sorted(map(str, ids - known)):
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        spot.refuse(f"There are no such clients: {', '.join(unknown[:5])}{more}.")
    return Q(pk__in=ids)


def _uuid(value: object, spot: Spot) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        spot.refuse("Must be a UUID.")


def _texts(value: object, spot: Spot) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        spot.refuse("Must be a text or a list of texts.")
    if any("\x00" in text for text in texts):
        spot.refuse("Must not contain NUL characters.")
    return texts


def _status(value: object, spot: Spot) -> Q:
    texts = _texts(value, spot)
    if unknown := set(texts) - set(ClientStatus.values):
        spot.refuse(f"There is no status {min(unknown)[:40]!r}; there are {', '.join(ClientStatus.values)}.")
    return Q(status__in=texts)


def _type(value: object, spot: Spot) -> Q:
    return Q(type__in=_texts(value, spot))


def _version(value: object, spot: Spot) -> Q:
    if isinstance(value, str | list):
        return Q(version_key__in=[_version_key(text, spot) for text in _texts(value, spot)])
    if not isinstance(value, dict) or not value:
        spot.refuse('Must be a version or a range such as {">=": "1.2", "<": "2"}.')
    # A client without a readable version has an empty key, which would sort below all others.
    found = ~Q(version_key="")
    for sign, text in value.items():
        if sign not in COMPARISONS:
            spot.at(str(sign)[:40]).refuse(f"Unknown comparison; known are {' '.join(COMPARISONS)}.")
        found &= Q(**{f"version_key__{COMPARISONS[sign]}": _version_key(text, spot.at(sign))})
    return found


def _version_key(text: object, spot: Spot) -> str:
    return (isinstance(text, str) and version_key(text)) or spot.refuse("Must be a version such as 1.2.3.")


def _labels(value: object, spot: Spot) -> Q:
    if not isinstance(value, dict) or not value:
        spot.refuse('Must be an object such as {"region": "eu"}.')
    found = Q()
    for name, wanted in value.items():
        here = spot.at(str(name)[:70])
        if not LABEL.fullmatch(str(name)):
            here.refuse("Is no name of a label.")
        label = KeyTextTransform(name, "labels")
        texts = _texts(wanted, here)
        found &= Q(Exact(label, Value(texts[0]))) if len(texts) == 1 else Q(In(label, texts))
    return found


def _last_seen(value: object, spot: Spot) -> Q:
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= {"within", "before"}:
        spot.refuse('Must be {"within": "5m"} or {"before": "2h"}.')
    [(key, text)] = value.items()
    moment = _moment(text, spot.at(key))
    return Q(last_seen__gte=moment) if key == "within" else Q(last_seen__lt=moment)


def _moment(text: object, spot: Spot) -> datetime:
    """From a time, or from a span before now."""
    if isinstance(text, str):
        if span := SPAN.fullmatch(text):
            return clock.now() - min(timedelta(**{UNITS[span[2]]: int(span[1])}), CENTURY)
        try:
            moment = parse_datetime(text)
        except ValueError:
            moment = None
        if moment is not None:
            return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    return spot.refuse("Must be a span such as 30s, 5m, 2h, 7d, or a time in ISO 8601.")


def _connected(value: object, spot: Spot) -> Q:
    if not isinstance(value, bool):
        spot.refuse("Must be true or false.")
    connected = alive(clock.now(), "node__")
    return connected if value else _complement(connected)


def _operation(value: object, spot: Spot) -> Q:
    """Targets of an operation, by the current states of their rows."""
    if not isinstance(value, dict) or set(value) - {"id", "states"} or "id" not in value:
        spot.refuse('Must be {"id": "…", "states": ["FAILED"]}.')
    id = _uuid(value["id"], spot.at("id"))
    if not Operation.objects.filter(pk=id).exists():
        spot.at("id").refuse("There is no such operation.")
    rows = CommandLog.objects.filter(operation=id)
    if "states" in value:
        states = _texts(value["states"], spot.at("states"))
        if unknown := set(states) - set(State.values):
            spot.at("states").refuse(f"There is no state {min(unknown)[:40]!r}.")
        rows = rows.filter(state__in=states)
    return Q(pk__in=rows.values("client"))


def _and(value: object, spot: Spot) -> Q:
    found = Q()
    for branch in _branches(value, spot):
        found &= branch
    return found


def _or(value: object, spot: Spot) -> Q:
    found = Q()
    for branch in _branches(value, spot):
        found |= branch
    return found


def _branches(value: object, spot: Spot) -> list[Q]:
    if not isinstance(value, list) or not value:
        spot.refuse("Must be a list of selectors.")
    return [_tree(node, spot.at(at)) for at, node in enumerate(value)]


def _not(value: object, spot: Spot) -> Q:
    return _complement(_tree(value, spot))


def _complement(found: Q) -> Q:
    """All other clients. A plain NOT would leave out those for which the comparison is NULL, as without the label."""
    return ~Q(pk__in=Client.objects.filter(found).values("pk"))


TERMS: dict[str, Callable[[object, Spot], Q]] = {
    "all": _all,
    "ids": _ids,
    "status": _status,
    "type": _type,
    "version": _version,
    "labels": _labels,
    "last_seen": _last_seen,
    "connected": _connected,
    "operation": _operation,
    "and": _and,
    "or": _or,
    "not": _not,
}
