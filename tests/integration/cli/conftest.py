from tests.integration.api.conftest import absent, scene, server

__all__ = ["absent", "scene", "server"]
