"""What a command client must name of its service, checked against the service's own description."""

import sys
from typing import Any

NEEDED = ("stub_class", "request_class", "rpc_method_name")


def check_adapter(cls: type[Any]) -> str:
    """The name of the rpc that waits for the ack; empty if the service has none.

    Raises TypeError that names what the class leaves out, or what its messages do not have.
    """
    missing = [name for name in NEEDED if not getattr(cls, name, None)]
    if missing:
        raise TypeError(f"{cls.__name__} must name {', '.join(missing)}")
    request = getattr(cls.request_class, "DESCRIPTOR", None)
    for variable in ("client_id_field", "command_field"):
        field = getattr(cls, variable)
        if request is not None and field not in request.fields_by_name:
            raise TypeError(f"{cls.__name__}.{variable}: {request.name} has no field {field!r}")
    methods = _methods(cls.stub_class)
    for variable in ("rpc_method_name", "wait_method_name"):
        method = getattr(cls, variable)
        if method and methods and method not in methods:
            raise TypeError(f"{cls.__name__}.{variable}: the service has no rpc {method!r}")
    return cls.wait_method_name or (_waiting(methods, request) if request is not None else "")


def _methods(stub_class: type[Any]) -> dict[str, Any]:
    """Descriptors of the rpcs of the service that a generated stub calls; empty if it was made in another way."""
    module = sys.modules.get(stub_class.__module__.removesuffix("_grpc"))
    file = getattr(module, "DESCRIPTOR", None)
    services = getattr(file, "services_by_name", {})
    service = services.get(stub_class.__name__.removesuffix("Stub"))
    return dict(service.methods_by_name) if service is not None else {}


def _waiting(methods: dict[str, Any], request: Any) -> str:
    """The only rpc that takes the request and answers with an ack, that is with a `command_id`."""
    found = [
        name
        for name, method in methods.items()
        if method.input_type.full_name == request.full_name
        and "command_id" in method.output_type.fields_by_name
        and not (method.client_streaming or method.server_streaming)
    ]
    return found[0] if len(found) == 1 else ""
