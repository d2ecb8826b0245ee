"""What one client did since it started."""

import time
from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Stats:
    connects: int = 0
    received: int = 0
    repeated: int = 0
    """Deliveries of a command id that had come before."""
    succeeded: int = 0
    failed: int = 0
    refused: int = 0
    acks: int = 0
    """Acks handed to a live stream, repeats included."""
    reports: int = 0
    acknowledged: int = 0
    """Reports the server said it committed."""
    dropped: int = 0
    """Reports that left a full outbox before the server acknowledged them."""
    verbs: Counter[str] = field(default_factory=Counter)
    """Handlers run, by command name."""
    started: float = field(default_factory=time.monotonic)

    def counts(self) -> dict[str, object]:
        numbers: dict[str, object] = {f.name: getattr(self, f.name) for f in fields(self) if f.type is int}
        return {**numbers, "verbs": dict(self.verbs)}

    def document(self) -> dict[str, object]:
        return {"uptime_seconds": round(time.monotonic() - self.started, 3), **self.counts()}
