"""Signals for your own code. Sent after commit, in the process that made the change."""

from django.dispatch import Signal

command_finished = Signal()
"""Arguments: `commands`, a list of CommandLog ids (UUID) that have just ended. Sender: CommandLog."""

client_connected = Signal()
"""Arguments: `client_ids`, a list of UUID. Sender: Client."""

client_disconnected = Signal()
"""Arguments: `client_ids`, a list of UUID. Sender: Client."""

operation_finished = Signal()
"""Arguments: `operation`, the id (UUID) of an operation that has just ended, once. Sender: Operation."""

client_ready = Signal()
"""Arguments: `client_ids`, a list of UUID: connected clients to which commands can be sent now. Sender: Client."""

client_diverged = Signal()
"""Arguments: `client_ids`, a list of UUID that have acked to be paused and report ACTIVE. Sender: Client."""
