"""New ids for rows and messages."""

import os
import random
from uuid import UUID

_generator = random.Random()
"""Our own: the process' generator may be seeded by whoever wants to repeat something, and would repeat our ids too."""
os.register_at_fork(after_in_child=_generator.seed)


def new_id() -> UUID:
    """A random UUID (version 4) without a system call: on hot paths `uuid4` is the dearest line.

    The operating system seeds the generator, anew in a forked child. Unique, but no secret.
    """
    return UUID(int=_generator.getrandbits(128), version=4)
