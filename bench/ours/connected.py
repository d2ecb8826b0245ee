"""`python -m bench.ours.connected COUNT`: returns when so many clients are connected, and tells when that was."""

import sys
from time import monotonic, sleep, time

from bench.figures import tell
from crypto.models import Client

LOOK = 0.05
PATIENCE = 120.0


def run(count: int) -> None:
    end = monotonic() + PATIENCE
    while (connected := Client.objects.connected().count()) != count:
        if monotonic() > end:
            raise SystemExit(f"{connected} of {count} clients are connected")
        sleep(LOOK)
    tell(at=time())


if __name__ == "__main__":
    run(int(sys.argv[1]))
