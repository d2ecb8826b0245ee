"""The commands: one file each, found by being in this folder. No ORM and no I/O."""

import pkgutil
from importlib import import_module

from crypto.commands.base import Command, Lane, from_wire, register, registry
from crypto.commands.retry import Failure, RetryPolicy

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["Command", "Failure", "Lane", "RetryPolicy", "from_wire", "register", "registry"]
