"""The project's settings with a data directory of the test run's own.

TEST_DATABASE=postgres runs the suite on a PostgreSQL started from its wheel, or on the server that
DATABASE_URL names.
"""

import atexit
import os
import shutil
import tempfile

DATA_DIR_OF_RUN = tempfile.mkdtemp(prefix="orchestrator-tests-")
atexit.register(shutil.rmtree, DATA_DIR_OF_RUN, ignore_errors=True)
os.environ["DATA_DIR"] = DATA_DIR_OF_RUN
os.environ["SECRET_KEY"] = "only-for-tests-" + "0123456789abcdef" * 3
for name in ("REDIS_URL", "HTTPS", "STREAMING_ADDRESS"):
    os.environ.pop(name, None)

if os.environ.get("TEST_DATABASE", "sqlite") == "postgres":
    from tests.support.postgres import server_url

    os.environ["DATABASE_URL"] = server_url(durable=False)
else:
    os.environ.pop("DATABASE_URL", None)

from project.settings import *  # noqa: E402, F403
from project.settings import DRAMATIQ_BROKER  # noqa: E402

# Messages stay in the queue unless a test works them off.
DRAMATIQ_BROKER["OPTIONS"] = {"consume": False}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
