"""What a command is. REST, command line, admin and clients are derived from its class."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cached_property
from time import time_ns
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from crypto.commands import parameters
from crypto.commands.retry import RetryPolicy
from crypto.wire.crypto_streaming_pb2 import DjangoCommand

FIRST_CONTRACT = range(10, 15)
"""Field numbers that every client understands; what is newer is sent only to clients that declared it."""


class Lane(StrEnum):
    """Each lane is a queue of its own: commands waiting in one do not delay those in another."""

    URGENT = "urgent"
    DEFAULT = "default"
    BULK = "bulk"
    SYNC = "sync"


@dataclass(frozen=True)
class Command:
    """Base of all commands: the fields of a subclass are its parameters, its class variables describe it.

    A subclass is a frozen dataclass decorated with `register`; its docstring's first line describes it to users.
    """

    name: ClassVar[str]
    """The field of the `DjangoCommand` oneof, the ledger's `command`, the REST action and the CLI verb."""
    method: ClassVar[str]
    """Name of the method on `StreamingCommandClient`; `<method>_sync` waits for the ack."""
    label: ClassVar[str]
    """Verb shown to people: "Pause"."""
    bulk_verb: ClassVar[str] = ""
    """REST name of the bulk call over every client ("pause_all"); empty where there is none."""
    timeout: ClassVar[float] = 10.0
    """Seconds to wait for the ack unless the caller says otherwise."""
    lane: ClassVar[Lane] = Lane.DEFAULT
    bulk_lane: ClassVar[Lane] = Lane.BULK
    retry: ClassVar[RetryPolicy] = RetryPolicy()
    idempotent: ClassVar[bool] = True
    """Whether running it twice has the effect of running it once."""
    conflict_class: ClassVar[str] = ""
    """Commands of one class never run at the same time on one client; empty: it conflicts with nothing."""
    supersedes: ClassVar[frozenset[str]] = frozenset()
    """Names of commands that are cancelled while they wait for the same client, when this one is issued."""

    leaves: ClassVar[str] = ""
    """Status in which a client is, and is expected to stay, after a successful ack; empty: unchanged."""
    while_paused: ClassVar[bool] = True
    """Whether it goes to clients that a standing order keeps paused."""

    def __post_init__(self) -> None:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in parameters.checked(parameters.of(type(self)), values).items():
            object.__setattr__(self, name, value)

    @classmethod
    def parse(cls, params: Mapping[str, object]) -> Self:
        """The command with these parameters. Raises InvalidParameters, which names each field at fault."""
        return cls(**parameters.checked(parameters.of(cls), params))

    @classmethod
    def parse_text(cls, texts: Mapping[str, str]) -> Self:
        """Like `parse` for parameters spelled as text, as in a query string."""
        return cls.parse(parameters.read(parameters.of(cls), texts))

    @classmethod
    def capability(cls) -> str:
        """What a client must have declared to be sent this command; empty for the first contract's commands."""
        number = DjangoCommand.DESCRIPTOR.fields_by_name[cls.name].number
        return "" if number in FIRST_CONTRACT else cls.name

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as JSON can hold them; `parse(params)` gives the command back."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    def to_wire(self, command_id: UUID | str) -> DjangoCommand:
        wire = DjangoCommand()
        wire.CopyFrom(self._unaddressed)
        wire.command_id = str(command_id)
        wire.timestamp.FromNanoseconds(time_ns())
        return wire

    @cached_property
    def _unaddressed(self) -> DjangoCommand:
        """The message without id and time: it is built once and shared by all clients of a bulk command."""
        wire = DjangoCommand()
        payload: Message = getattr(wire, self.name)
        payload.SetInParent()
        for name, value in asdict(self).items():
            if isinstance(value, tuple):
                getattr(payload, name).extend(value)
            else:
                setattr(payload, name, value)
        return wire

    def changes(self, success: bool) -> dict[str, Any]:
        """Fields of the client's record that the ack of this command changes."""
        return {"expected_status": self.leaves} if success and self.leaves else {}

    @classmethod
    def changes_clients(cls) -> bool:
        return bool(cls.leaves) or cls.changes is not Command.changes


C = TypeVar("C", bound=type[Command])

registry: dict[str, type[Command]] = {}
"""Every command by name."""


def register(cls: C) -> C:
    """Class decorator that makes a command known. Raises TypeError if it does not fit the wire or the others."""
    field = DjangoCommand.DESCRIPTOR.fields_by_name.get(cls.name)
    if field is None or field.containing_oneof is None:
        raise TypeError(f"{cls.__name__}: DjangoCommand has no command field {cls.name!r}")
    _check_fields(cls, field)
    for other in registry.values():
        if (
            other.name == cls.name
            or other.method == cls.method
            or (cls.bulk_verb and other.bulk_verb == cls.bulk_verb)
        ):
            raise TypeError(f"{cls.__name__} repeats a name of {other.__name__}")
    registry[cls.name] = cls
    return cls


def from_wire(wire: DjangoCommand) -> Command | None:
    """The command a message carries; None if this process does not know it. Raises InvalidParameters."""
    name = wire.WhichOneof("command")
    cls = registry.get(name or "")
    if cls is None:
        return None
    payload = getattr(wire, cls.name)
    return cls.parse({f.name: _plain(getattr(payload, f.name)) for f in fields(cls)})


def _check_fields(cls: type[Command], field: FieldDescriptor) -> None:
    message = field.message_type
    declared, wire = {f.name for f in fields(cls)}, set(message.fields_by_name if message else ())
    if declared != wire:
        raise TypeError(
            f"{cls.__name__}: parameters {sorted(declared)} are not the message's fields {sorted(wire)}"
        )


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | bool) else list(value)
