"""Handlers by the field of the ClientMessage oneof they answer for: one file each, found in this folder."""

import pkgutil
from importlib import import_module
from pathlib import Path

from crypto.grpc.services.handlers.base import Handler

PACKAGE = __name__.rpartition(".")[0]


def _table() -> dict[str, Handler]:
    names = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])} - {"table"}
    modules = [import_module(f"{PACKAGE}.{name}") for name in sorted(names)]
    handlers: list[Handler] = [module.HANDLER for module in modules if hasattr(module, "HANDLER")]
    return {handler.payload: handler for handler in handlers}


table = _table()
