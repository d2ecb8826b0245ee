"""The public command client: what Python callers hold to command one crypto client.

    client = StreamingCommandClient(client_id="…")
    handed_over = await client.pause_client(reason="Maintenance")
    ack = await client.pause_client_sync(reason="Maintenance", timeout=10.0)

The methods come from the registry of commands: `<method>` hands over and does not wait, `<method>_sync` waits for the
ack. The same line works in the process that holds the streams and in any other; every command is on the ledger.
"""

from crypto.grpc import streaming
from crypto.grpc.services.commands.client import StreamingCommandClient
from crypto.grpc.streaming.registry import AnyService
from crypto.services.delivery.transport import SERVICE

__all__ = ["StreamingCommandClient", "get_streaming_service"]


def get_streaming_service(name: str = SERVICE) -> AnyService | None:
    """The service whose streams this process holds; None if they live elsewhere."""
    return streaming.get_streaming_service(name)
