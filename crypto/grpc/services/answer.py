"""A result of the ledger as the contract's CommandAck."""

from crypto.exceptions import ClientNotConnectedError, CommandTimeoutError
from crypto.models import State
from crypto.services.ledger.attempt import Result
from crypto.wire.common_pb2 import ClientStatus, CommandAck

ERRORS = {
    State.NOT_CONNECTED: ClientNotConnectedError.__name__,
    State.TIMED_OUT: CommandTimeoutError.__name__,
    State.REJECTED: "Rejected",
}


def command_ack(command_id: str, result: Result) -> CommandAck:
    """The client's own ack. Where it sent none, an ack whose `error` names the kind of failure."""
    ack = result.ack
    if ack is None:
        error = ERRORS.get(result.state, CommandTimeoutError.__name__)
        return CommandAck(command_id=command_id, error=error, message=result.why)
    answer = CommandAck(
        command_id=command_id, success=ack.success, message=ack.message, error=ack.error, data=ack.data
    )
    if ack.status:
        answer.current_status = ClientStatus.Value(f"CLIENT_STATUS_{ack.status}")
    if ack.at is not None:
        answer.timestamp.FromDatetime(ack.at)
    return answer
