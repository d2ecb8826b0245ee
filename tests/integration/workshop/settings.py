"""The project with one more app, whose actors leave marks that a test can read."""

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.integration.workshop"]
