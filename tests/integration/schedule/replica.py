"""One scheduler of a test: ticks by a clock that the test sets, which is wrong by `skew` seconds."""

import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import django

django.setup()

from crypto.services.schedules import tick  # noqa: E402

clock, skew = Path(sys.argv[1]), timedelta(seconds=float(sys.argv[2]))
print("ticking", flush=True)
while True:
    tick(datetime.fromisoformat(clock.read_text()) + skew)
    time.sleep(0.005)
