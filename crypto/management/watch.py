"""A live progress bar of an operation, and what the shell is told of its end."""

import sys
import time
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from crypto.models import OperationState
from crypto.services.operations.progress import Progress as Standing
from crypto.services.operations.progress import progress

EXIT_CODES = {
    OperationState.COMPLETED: 0,
    OperationState.COMPLETED_WITH_FAILURES: 1,
    OperationState.ABORTED: 4,
    OperationState.CANCELED: 5,
    OperationState.PAUSED: 6,
}
"""Beside them 2 for bad input, 3 for what the operation is in no state for; 0 for what is still under way."""
EXITS = (
    "Exit code: 0 completed (or under way, where nobody watches), 1 completed with failures, 2 bad input, "
    "3 not possible in the operation's state, 4 aborted, 5 canceled, 6 paused."
)
POLL = 0.3
"""Seconds between two looks."""


def watch(pk: UUID) -> Standing:
    """Draw on stderr until the operation has ended or is paused, which only people change."""
    columns = (
        TextColumn("{task.fields[state]:>9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f}/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("", total=None, state="", rate=0.0, counts="")
        while True:
            found = progress(pk)
            operation = found.operation
            bar.update(
                task,
                total=operation.targets,
                completed=found.totals.ended,
                state=operation.state.lower() if operation.under_way else "ended",
                rate=found.rate,
                counts=counts(found),
            )
            if not operation.under_way or operation.state == OperationState.PAUSED:
                return found
            time.sleep(POLL)


def counts(found: Standing) -> str:
    return ", ".join(f"{number} {state.lower()}" for state, number in found.counts.items() if number)


def exit_code(found: Standing) -> int:
    return EXIT_CODES.get(OperationState(found.operation.state), 0)
