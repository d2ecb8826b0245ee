"""Every address of REST, and the pages that describe them."""

from django.contrib.auth.decorators import login_required
from django.urls import URLPattern, URLResolver, path, re_path
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.permissions import IsAuthenticated
from rest_framework.routers import SimpleRouter

from crypto.api.clients import ClientViewSet
from crypto.api.command_logs import CommandLogViewSet
from crypto.api.common.errors import NotFoundView
from crypto.api.configurations import ConfigurationViewSet
from crypto.api.operations.views import OperationViewSet
from crypto.api.reports import ClientErrorViewSet, ClientLogViewSet, TransactionViewSet, WalletViewSet
from crypto.api.schedules import ScheduleViewSet
from crypto.api.standing_orders import StandingOrderViewSet

app_name = "api"

router = SimpleRouter()
router.register("commands", ClientViewSet, "client")
router.register("command-logs", CommandLogViewSet, "command-log")
router.register("configurations", ConfigurationViewSet, "configuration")
router.register("operations", OperationViewSet, "operation")
router.register("schedules", ScheduleViewSet, "schedule")
router.register("standing-orders", StandingOrderViewSet, "standing-order")
router.register("wallets", WalletViewSet, "wallet")
router.register("transactions", TransactionViewSet, "transaction")
router.register("client-errors", ClientErrorViewSet, "client-error")
router.register("client-logs", ClientLogViewSet, "client-log")


class SchemaView(SpectacularAPIView):
    """The OpenAPI document."""

    permission_classes = (IsAuthenticated,)


@method_decorator(login_required, name="dispatch")
class DocsView(SpectacularSwaggerView):
    """Swagger UI from the sidecar package: nothing is fetched from elsewhere."""


urlpatterns: list[URLPattern | URLResolver] = [
    *router.urls,
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(url_name="api:schema"), name="docs"),
    re_path("", NotFoundView.as_view()),
]
