"""The streaming server's process: the services of every installed app on one port, until it is told to stop."""

import asyncio
import logging
import signal
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import grpc
from django.apps import apps
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from crypto.grpc.services.config import streaming_config
from crypto.grpc.streaming import get_streaming_service, list_streaming_services, server_options
from crypto.grpc.streaming.registry import AnyService
from crypto.tuning import tune_garbage_collection

logger = logging.getLogger(__name__)

STOP_GRACE = 1.0
"""Seconds that unary calls may still take after the streams were drained."""


class AddressInUse(Exception):
    """Raised when the port is taken."""


@dataclass(frozen=True, slots=True)
class Binding:
    host: str
    port: int
    """0: any free one."""
    advertise: str = ""
    """host:port by which workers and web processes reach this node; empty: the bound host and port."""


async def serve(binding: Binding) -> None:
    """Returns after a SIGTERM or SIGINT, when every stream has been drained. Raises AddressInUse."""
    server = grpc.aio.server(options=server_options(streaming_config()))
    names = _add_services(server)
    healthy = _add_health(server, names)
    try:
        port = server.add_insecure_port(f"{binding.host}:{binding.port}")
    except RuntimeError as error:
        raise AddressInUse(f"{binding.host}:{binding.port} is taken") from error
    services = [service for name in list_streaming_services() if (service := get_streaming_service(name))]
    for service in services:
        await service.on_serving(binding.advertise or f"{binding.host}:{port}")
    await server.start()
    tune_garbage_collection()
    await _tell(healthy, names, serving=True)
    logger.info("streaming server listens on %s:%d: %s", binding.host, port, ", ".join(names))
    await _told_to_stop()
    await _tell(healthy, names, serving=False)
    await _shut_down(server, services)
    logger.info("streaming server stopped")


def _add_services(server: grpc.aio.Server) -> list[str]:
    """Call the `grpc_handlers(server)` hook of every installed app that has one; returns the services' full names."""
    names = []
    for app in apps.get_app_configs():
        if find_spec(f"{app.name}.grpc") is None or find_spec(f"{app.name}.grpc.services.handlers") is None:
            continue
        hook = getattr(import_module(f"{app.name}.grpc.services.handlers"), "grpc_handlers", None)
        for _, add in hook(server) if hook is not None else ():
            names.append(_service_name(add))
    return names


def _service_name(add: object) -> str:
    """The full name of the service which a generated `add_…_to_server` function adds."""
    module = import_module(str(getattr(add, "__module__", "")).removesuffix("_grpc"))
    short = str(getattr(add, "__name__", "")).removeprefix("add_").removesuffix("Servicer_to_server")
    return str(module.DESCRIPTOR.services_by_name[short].full_name)


def _add_health(server: grpc.aio.Server, names: list[str]) -> health.aio.HealthServicer:
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflected = (*names, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(reflected, server)
    return servicer


async def _tell(healthy: health.aio.HealthServicer, names: list[str], *, serving: bool) -> None:
    status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
    for name in ("", *names):
        await healthy.set(name, status)


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def _shut_down(server: grpc.aio.Server, services: list[AnyService]) -> None:
    for service in services:
        await service.drain()
    await server.stop(STOP_GRACE)
    for service in services:
        await service.on_stopped()
