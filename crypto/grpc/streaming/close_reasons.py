"""Why a stream is closed, and the status that its client is told."""

from dataclasses import dataclass

import grpc


@dataclass(frozen=True, slots=True)
class CloseReason:
    name: str
    code: grpc.StatusCode
    text: str


class ProtocolViolation(Exception):
    """Raised by hooks when the stream must be closed; the client is told `code` and `text`."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def as_close_reason(self) -> CloseReason:
        return CloseReason("violation", self.code, self.text)


FINISHED = CloseReason("finished", grpc.StatusCode.OK, "the client ended the stream")
CANCELLED = CloseReason("cancelled", grpc.StatusCode.CANCELLED, "the client cancelled the stream")
LOST = CloseReason("lost", grpc.StatusCode.UNAVAILABLE, "the stream broke")
REPLACED = CloseReason("replaced", grpc.StatusCode.ABORTED, "a newer connection of this client took over")
NOT_REGISTERED = CloseReason(
    "not registered", grpc.StatusCode.DEADLINE_EXCEEDED, "the first message did not come in time"
)
SILENT = CloseReason("silent", grpc.StatusCode.DEADLINE_EXCEEDED, "the client was silent for too long")
STUCK = CloseReason(
    "stuck", grpc.StatusCode.RESOURCE_EXHAUSTED, "the client does not read what is sent to it"
)
DRAINED = CloseReason("drained", grpc.StatusCode.UNAVAILABLE, "the server is going away, connect again")
FAILED = CloseReason("failed", grpc.StatusCode.INTERNAL, "internal error")
