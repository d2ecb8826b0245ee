"""Who a client says it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import time_ns

from crypto.agent.state import State
from crypto.ids import new_id
from crypto.wire.crypto_streaming_pb2 import ClientMessage, ClientRegistration

PROTOCOL = ("message_ack", "journal", "reconnect")
"""Additions to the first contract that every client here understands."""


@dataclass(frozen=True, slots=True)
class Identity:
    client_id: str
    name: str = ""
    type: str = "reference"
    version: str = ""
    token: str = ""
    """Credential for the server; empty for none."""
    first_contract: bool = False
    """Speak the first contract only: declare no capabilities, send no journal digest, keep no sent reports."""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def registration(self, commands: Sequence[str], state: State) -> ClientMessage:
        register = ClientRegistration(client_name=self.name, client_type=self.type, version=self.version)
        if not self.first_contract:
            register.capabilities.extend((*PROTOCOL, *commands))
            register.identity_epoch = state.identity_epoch
            register.config_version = state.config_version
        return self.envelope(ClientMessage(register=register))

    def envelope(self, message: ClientMessage) -> ClientMessage:
        """The message, with client id, a new message id and the time filled in."""
        message.client_id = self.client_id
        message.message_id = str(new_id())
        message.timestamp.FromNanoseconds(time_ns())
        return message
