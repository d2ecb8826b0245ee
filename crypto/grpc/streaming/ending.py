"""Why a stream ended, and what its client is told."""

from dataclasses import dataclass

import grpc


@dataclass(frozen=True, slots=True)
class StreamEnd:
    name: str
    code: grpc.StatusCode
    text: str


class ProtocolViolation(Exception):
    """Raised by hooks when the stream must end; the client gets `code` and `text`."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def as_end(self) -> StreamEnd:
        return StreamEnd("violation", self.code, self.text)


FINISHED = StreamEnd("finished", grpc.StatusCode.OK, "the client ended the stream")
CANCELLED = StreamEnd("cancelled", grpc.StatusCode.CANCELLED, "the client cancelled the stream")
LOST = StreamEnd("lost", grpc.StatusCode.UNAVAILABLE, "the stream broke")
REPLACED = StreamEnd("replaced", grpc.StatusCode.ABORTED, "a newer connection of this client took over")
NO_HELLO = StreamEnd("no hello", grpc.StatusCode.DEADLINE_EXCEEDED, "the first message did not come in time")
SILENT = StreamEnd("silent", grpc.StatusCode.DEADLINE_EXCEEDED, "the client was silent for too long")
STUCK = StreamEnd("stuck", grpc.StatusCode.RESOURCE_EXHAUSTED, "the client does not read what is sent to it")
DRAINED = StreamEnd("drained", grpc.StatusCode.UNAVAILABLE, "the server is going away, connect again")
FAILED = StreamEnd("failed", grpc.StatusCode.INTERNAL, "internal error")
