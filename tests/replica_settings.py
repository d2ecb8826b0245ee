"""The project's settings for processes of tests which work off no queue: their messages are not delivered."""

from project.settings import *  # noqa: F403
from project.settings import DRAMATIQ_BROKER

DRAMATIQ_BROKER["OPTIONS"] = {"consume": False}
