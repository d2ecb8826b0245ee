"""Issuing commands that the orchestrator itself decides on."""

from collections.abc import Sequence
from uuid import UUID

from crypto.commands import Command
from crypto.models import Source
from crypto.services.ledger.issue import CommandRequest, issue
from crypto.services.operations.selectors import MAX_IDS
from crypto.services.operations.start import OperationRequest, start


def issue_to(ids: Sequence[UUID], command: Command, principal: str) -> None:
    """Issue the command to these clients: for one client as a single command, for more as an operation."""
    if len(ids) == 1:
        issue(CommandRequest(client_id=ids[0], command=command, source=Source.SIGNAL, principal=principal))
        return
    for at in range(0, len(ids), MAX_IDS):
        start(
            OperationRequest(
                command=command,
                selector={"ids": [str(pk) for pk in ids[at : at + MAX_IDS]]},
                source=Source.SIGNAL,
                principal=principal,
                reason=principal,
            )
        )
