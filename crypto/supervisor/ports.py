import socket


def is_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could not listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            # With SO_REUSEADDR alone a bind beside a listener on another address succeeds.
            probe.listen(1)
        except OSError:
            return True
    return False
