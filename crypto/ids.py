"""Ids of clients, commands, rows and messages: how new ones are made and how those that come in are read."""

import os
import random
import re
from uuid import UUID

_HEX = "[0-9a-fA-F]"
_UUID = rf"{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}"
_SPELLED = re.compile(rf"(?:urn:uuid:)?(?:{_UUID}|\{{{_UUID}\}}|\({_UUID}\))", re.IGNORECASE)
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_generator = random.Random()
"""Our own: the process' generator may be seeded by whoever wants to repeat something, and would repeat our ids too."""
os.register_at_fork(after_in_child=_generator.seed)


def new_id() -> UUID:
    """A random UUID (version 4) without a system call: on hot paths `uuid4` is the dearest line.

    The operating system seeds the generator, anew in a forked child. Unique, but no secret.
    """
    return UUID(int=_generator.getrandbits(128), version=4)


def read_uuid(text: str) -> UUID | None:
    """The UUID that is written there in any of the usual spellings: capitals, no dashes, braces, "urn:uuid:".

    None for any other text.
    """
    if _SPELLED.fullmatch(text) is None:
        return None
    return UUID(text.lower().strip("()"))


def canonical_id(text: str) -> str:
    """The one spelling of a UUID by which ids are compared; any other text as it is."""
    if _CANONICAL.fullmatch(text) is not None:
        return text
    uuid = read_uuid(text)
    return text if uuid is None else str(uuid)
