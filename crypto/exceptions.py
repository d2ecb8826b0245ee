"""Every error the orchestrator raises on purpose, in one tree."""

from collections.abc import Mapping, Sequence
from uuid import UUID


class OrchestratorError(Exception):
    """Base of all errors here."""


class CommandError(OrchestratorError):
    """Raised when a command could not be carried out; subclasses say how."""


class CommandTimeoutError(CommandError):
    """Raised when no ack came in time. The outcome is unknown: the command may still take effect."""


class ClientNotConnectedError(CommandError):
    """Raised when the client has no live stream. It has not seen the command."""


class InvalidParameters(OrchestratorError):
    """Raised when values do not fit; `errors` maps each field at fault to its sentences."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {field: list(sentences) for field, sentences in errors.items()}
        super().__init__("; ".join(f"{field}: {' '.join(s)}" for field, s in self.errors.items()))

    def within(self, place: str) -> "InvalidParameters":
        """The same where the values stand inside something else: "window" is "policy.window" then."""
        return InvalidParameters({f"{place}.{field}": s for field, s in self.errors.items()})


class UnknownClient(ClientNotConnectedError):
    """Raised when no client has the id; it has never been connected."""


class UnknownCommand(OrchestratorError):
    """Raised when no command has the name."""


class DedupeConflict(OrchestratorError):
    """Raised when a dedupe key comes again with another client, command or parameters."""


class OperationConflict(OrchestratorError):
    """Raised when an operation is in no state for what is asked of it."""


class SnapshotChanged(OrchestratorError):
    """Raised when the targets are not those of the preview any more. Nothing was issued.

    `joined` and `left` are the ids that make the difference; None where the preview is not remembered.
    """

    def __init__(self, joined: Sequence[UUID] | None, left: Sequence[UUID] | None) -> None:
        self.joined, self.left = joined, left
        if joined is None or left is None:
            super().__init__("no preview with this snapshot is remembered: preview anew")
        else:
            super().__init__(f"since the preview {len(joined)} clients joined and {len(left)} left")


class InvalidMessage(OrchestratorError):
    """Raised when one incoming message is bad. It is refused and counted; its stream lives on."""
