from django.contrib.auth.decorators import login_required
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.permissions import IsAuthenticated


class SchemaView(SpectacularAPIView):
    permission_classes = (IsAuthenticated,)


@method_decorator(login_required, name="dispatch")
class DocsView(SpectacularSwaggerView):
    """Swagger UI from the sidecar package: nothing is fetched from elsewhere."""
