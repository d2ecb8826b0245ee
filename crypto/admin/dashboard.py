"""The admin's home: how the installation does, as far as the user may see it."""

import json
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import site
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from crypto.admin.client import COLOURS
from crypto.commands import registry
from crypto.models import Client, ClientStatus, CommandLog, Operation, Schedule
from crypto.services import dashboard
from crypto.services.dashboard import Fleet, Minute
from crypto.services.fleet.lane_load import lane_loads

site.index_template = "crypto/dashboard.html"
site.index_title = "Dashboard"

FILLS = {"success": "bg-green-500", "warning": "bg-orange-300", "danger": "bg-red-500", "info": "bg-blue-300"}


def figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What Unfold calls before it renders the home."""
    if _sees(request, Client):
        context |= _of_fleet(dashboard.fleet())
    if _sees(request, CommandLog):
        context |= _of_ledger(dashboard.minutes())
    if _sees(request, CommandLog) and _sees(request, Client):
        context["slowest"] = dashboard.slowest()
    if _sees(request, Operation):
        context["running"] = [(_label(each.operation.command), each) for each in dashboard.running()]
    if _sees(request, Schedule):
        context["upcoming"] = [(_label(each.schedule.command), each) for each in dashboard.upcoming()]
    return context


def _sees(request: HttpRequest, model: type[Model]) -> bool:
    return bool(site.get_model_admin(model).has_view_permission(request))


def _label(command: str) -> str:
    return registry[command].label if command in registry else command


def _of_fleet(fleet: Fleet) -> dict[str, Any]:
    statuses = [
        {
            "status": status.value,
            "count": count,
            "fill": FILLS.get(COLOURS.get(status, ""), "bg-base-400"),
            "width": f"{100 * count / fleet.clients:.2f}",
            "url": _clients(status__exact=status.value),
        }
        for status in ClientStatus
        if (count := fleet.statuses[status])
    ]
    return {
        "fleet": fleet,
        "statuses": statuses,
        "connected_url": _clients(connected="yes"),
        "diverged_url": _clients(diverged_at__isnull="False"),
    }


def _of_ledger(minutes: list[Minute]) -> dict[str, Any]:
    loads = lane_loads()
    issued, failed = sum(each.issued for each in minutes), sum(each.failed for each in minutes)
    return {
        "issued": issued,
        "failed": failed,
        "failed_percent": 100 * failed / issued if issued else 0,
        "waiting": sum(load.waiting for load in loads),
        "in_flight": sum(load.in_flight for load in loads),
        "chart": _chart(minutes),
        "chart_options": json.dumps(CHART),
    }


CHART = {
    "animation": False,
    "maintainAspectRatio": False,
    "scales": {
        "x": {"stacked": True, "grid": {"display": False}, "ticks": {"maxTicksLimit": 13, "maxRotation": 0}},
        "y": {"stacked": True, "beginAtZero": True, "ticks": {"precision": 0}},
    },
    "plugins": {"legend": {"position": "top", "align": "end"}},
}


def _chart(minutes: list[Minute]) -> str:
    return json.dumps(
        {
            "labels": [f"{each.at:%H:%M}" for each in minutes],
            "datasets": [
                {
                    "label": "failed",
                    "data": [each.failed for each in minutes],
                    "backgroundColor": "var(--color-red-500)",
                },
                {
                    "label": "others",
                    "data": [each.issued - each.failed for each in minutes],
                    "backgroundColor": "var(--color-primary-500)",
                },
            ],
        }
    )


def _clients(**query: str) -> str:
    return f"{reverse('admin:crypto_client_changelist')}?{urlencode(query)}"
