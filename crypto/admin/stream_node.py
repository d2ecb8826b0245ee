from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from crypto.admin.reading import Reading
from crypto.models import StreamNode


@admin.register(StreamNode)
class StreamNodeAdmin(Reading):
    list_display = ("address", "is_alive", "held", "process", "started_at", "lease_until")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StreamNode]:
        nodes: QuerySet[StreamNode] = super().get_queryset(request)
        return nodes.annotate(held=Count("clients"))

    @display(description="alive", boolean=True)
    def is_alive(self, node: StreamNode) -> bool:
        return node.alive

    @display(description="clients", ordering="held")
    def held(self, node: StreamNode) -> int:
        return int(node.held)  # type: ignore[attr-defined]  # annotated above
