"""In which wave of an operation each of its clients is."""

import random
from uuid import UUID

from crypto.services.operations.policy import Policy


def assign(clients: list[UUID], policy: Policy) -> dict[UUID, int]:
    """Each client's wave, from 1. Drawn by lot, so that it is not always the same clients that go first."""
    drawn = random.sample(clients, len(clients)) if policy.waves else clients
    places = iter(drawn)
    sizes = policy.sizes(len(drawn))
    return {next(places): wave for wave, size in enumerate(sizes, 1) for _ in range(size)}
