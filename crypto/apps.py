from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class CryptoConfig(AppConfig):
    name = "crypto"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Late: models can be imported only once the apps are loaded.
        from crypto import checks, receivers  # noqa: F401, PLC0415
        from crypto.models import clock  # noqa: PLC0415
        from crypto.services.permissions import create_permissions  # noqa: PLC0415

        connection_created.connect(clock.compare, dispatch_uid="crypto.clock")
        post_migrate.connect(create_permissions, sender=self, dispatch_uid="crypto.permissions")
