"""Found by the interpreter at its start where this directory is on PYTHONPATH: lets tests.chaos change the process."""

import os

if any(name.startswith("CHAOS_") for name in os.environ):
    from tests.chaos import sabotage

    sabotage.install(os.environ)
