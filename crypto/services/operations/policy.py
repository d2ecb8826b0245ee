"""The policy of an operation: limits, waves, gate and thresholds."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from crypto.commands.parameters import Integer, Parameter, checked, choice, declared, json_schema, number, of
from crypto.exceptions import InvalidParameters
from crypto.models import Offline
from crypto.models.command_log import FAILURES
from crypto.services.ledger.issue import EXPIRY, EXPIRY_SECONDS, TIMEOUTS

PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)%")
MAX_WAVES = 50
MAX_COUNT = 1_000_000

Share = int | str
"""A count, or a percentage of all targets as text: 25 or "10%"."""


class Waves(Parameter):
    def check(self, value: object) -> tuple[Share, ...]:
        if not isinstance(value, list | tuple) or len(value) > MAX_WAVES:
            raise ValueError(f'Must be a list of at most {MAX_WAVES} sizes such as [5, "10%"].')
        return tuple(_share(size) for size in value)

    def read(self, text: str) -> object:
        """Spelled 5,10%."""
        return [_spelled(size) for size in text.split(",")]


class Thresholds(Parameter):
    def check(self, value: object) -> dict[str, Share]:
        if not isinstance(value, Mapping) or not set(value) <= set(FAILURES):
            raise ValueError(
                f'Must be an object such as {{"FAILED": "5%"}} with keys of {", ".join(FAILURES)}.'
            )
        return {kind: _share(share) for kind, share in value.items()}

    def read(self, text: str) -> object:
        """Spelled FAILED=5%,TIMED_OUT=10."""
        pairs = [pair.split("=", 1) for pair in text.split(",")]
        return (
            {pair[0]: _spelled(pair[1]) for pair in pairs} if all(len(pair) == 2 for pair in pairs) else text
        )


SHARE = {
    "oneOf": [
        {"type": "integer", "minimum": 1, "maximum": MAX_COUNT},
        {"type": "string", "pattern": f"^{PERCENT.pattern}$"},
    ]
}
"""A count or a percentage, in JSON schema."""
WAVES = Waves(
    "Sizes of the first waves, such as 5 or 10%; one more takes what is left.",
    {"type": "array", "items": SHARE, "maxItems": MAX_WAVES},
)
OFFLINE = choice("What becomes of clients that are not connected.", Offline)
ABORT = Thresholds(
    "By kind of failure: how many end the operation, such as FAILED 5%.",
    {"type": "object", "properties": {kind.value: SHARE for kind in FAILURES}, "additionalProperties": False},
)


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of an operation. REST, OpenAPI and the command line are derived from the fields."""

    window: int | None = declared(
        Integer(
            "Commands under way at any time, at most.",
            {"type": "integer", "minimum": 1, "maximum": MAX_COUNT},
        ),
        None,
    )
    rate: float | None = declared(
        number("Commands sent a second, at most.", (0.01, MAX_COUNT), "a second"), None
    )
    waves: tuple[Share, ...] = declared(WAVES, ())
    """A wave begins when the one before is over."""
    gate: float = declared(number("What part of a wave must succeed for the next to begin.", (0, 1)), 0.9)
    """Where it does not the operation pauses."""
    abort: Mapping[str, Share] = field(default_factory=dict, metadata={"parameter": ABORT})
    offline: Offline = field(default=Offline.SKIP, metadata={"parameter": OFFLINE})
    timeout: float | None = declared(number("Seconds to wait for each ack.", TIMEOUTS, "seconds"), None)
    """None: the command's own."""
    expires_in: float = declared(
        number("Seconds after which what was not delivered ends.", EXPIRY_SECONDS, "seconds"),
        EXPIRY.total_seconds(),
    )

    @classmethod
    def parse(cls, values: object) -> "Policy":
        """A field that is None is left out. Raises InvalidParameters, which names each wrong field."""
        if not isinstance(values, Mapping):
            raise InvalidParameters({"policy": ["Must be an object."]})
        given = {str(name)[:40]: value for name, value in values.items() if value is not None}
        try:
            return cls(**checked(of(cls), given))
        except InvalidParameters as invalid:
            raise invalid.within("policy") from None

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """What `parse` takes."""
        schema = json_schema(of(cls))
        return schema | {"properties": {n: {**p, "nullable": True} for n, p in schema["properties"].items()}}

    @property
    def limited(self) -> bool:
        """Whether the rollout releases the rows; else they are free from the start."""
        return bool(self.window or self.rate or self.waves)

    @property
    def as_json(self) -> dict[str, Any]:
        """The fields that differ from the default; `parse` turns them back into the policy."""
        values = {name: getattr(self, name) for name in of(type(self))}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value != getattr(DEFAULT, name)
        }

    def sizes(self, targets: int) -> list[int]:
        """The size of each wave for so many targets."""
        left, sizes = targets, []
        for wave in self.waves:
            sizes.append(min(left, max(1, count(wave, targets))))
            left -= sizes[-1]
        return [size for size in [*sizes, left] if size] or [0]

    @property
    def expiry(self) -> timedelta:
        return timedelta(seconds=self.expires_in)


def assign_waves(clients: list[UUID], policy: Policy) -> dict[UUID, int]:
    """Each client's wave, from 1. Drawn at random, so that the first wave is not always the same clients."""
    drawn = random.sample(clients, len(clients)) if policy.waves else clients
    places = iter(drawn)
    sizes = policy.sizes(len(drawn))
    return {next(places): wave for wave, size in enumerate(sizes, 1) for _ in range(size)}


def count(share: Share, targets: int) -> int:
    """The share as a number of targets, rounded up: 1 % of ten is one."""
    if isinstance(share, int):
        return share
    return int(-(-float(share.removesuffix("%")) * targets // 100))


def _share(value: object) -> Share:
    if isinstance(value, str) and (match := PERCENT.fullmatch(value)) and 0 < float(match[1]) <= 100:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_COUNT:
        return value
    raise ValueError('Must be a count from 1, or a percentage such as "10%".')


def _spelled(text: str) -> Share:
    return int(text) if text.isascii() and text.isdigit() else text


DEFAULT = Policy()
