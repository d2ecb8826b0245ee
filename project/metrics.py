"""Metrics for Prometheus, counted in the database at each scrape. The page needs no login and shows no names."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from crypto.models import Client, StreamNode, clock
from crypto.models.stream_node import alive
from crypto.services.fleet.lane_load import lane_loads

LANE_GAUGES = {
    "waiting": ("crypto_lane_waiting", "Commands that a worker could take now."),
    "in_flight": ("crypto_lane_in_flight", "Commands on the wire, not yet acked."),
    "oldest_seconds": ("crypto_lane_oldest_seconds", "Age of the oldest command that waits."),
    "workers": ("crypto_lane_workers", "Worker processes that take from the lane."),
}


class Ledger(Collector):
    """Figures of the lanes, the clients and the nodes."""

    def describe(self) -> list[Metric]:
        """Nothing, so that registering needs no database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        loads = lane_loads()
        for field, (name, meaning) in LANE_GAUGES.items():
            gauge = GaugeMetricFamily(name, meaning, labels=["lane"])
            for load in loads:
                gauge.add_metric([load.lane], getattr(load, field))
            yield gauge
        connected = Client.objects.connected().count()
        yield GaugeMetricFamily(
            "crypto_clients_connected", "Clients with a stream on a live node.", connected
        )
        nodes = StreamNode.objects.filter(alive(clock.now())).count()
        yield GaugeMetricFamily("crypto_stream_nodes", "Streaming nodes whose lease lasts.", nodes)


registry = CollectorRegistry()
registry.register(Ledger())


def metrics(request: HttpRequest) -> HttpResponse:
    return HttpResponse(generate_latest() + generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
