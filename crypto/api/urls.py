from django.urls import URLPattern, URLResolver, path, re_path
from rest_framework.routers import SimpleRouter

from crypto.api.clients import ClientViewSet
from crypto.api.command_logs import CommandLogViewSet
from crypto.api.configurations import ConfigurationViewSet
from crypto.api.docs import DocsView, SchemaView
from crypto.api.nowhere import Nowhere
from crypto.api.operations import OperationViewSet
from crypto.api.reports import ClientErrorViewSet, ClientLogViewSet
from crypto.api.schedules import ScheduleViewSet
from crypto.api.standing_orders import StandingOrderViewSet
from crypto.api.transactions import TransactionViewSet
from crypto.api.wallets import WalletViewSet

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

urlpatterns: list[URLPattern | URLResolver] = [
    *router.urls,
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(url_name="api:schema"), name="docs"),
    re_path("", Nowhere.as_view()),
]
