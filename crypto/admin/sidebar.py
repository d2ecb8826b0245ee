from typing import Any

from django.contrib.admin import site
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from rest_framework.authtoken.models import TokenProxy

from crypto.models import (
    Client,
    ClientError,
    ClientLog,
    CommandLog,
    Configuration,
    Operation,
    Schedule,
    StandingOrder,
    StreamNode,
    Transaction,
    Wallet,
)

GROUPS: tuple[tuple[str, tuple[tuple[type[Model], str], ...]], ...] = (
    ("Fleet", ((Client, "robot_2"), (Wallet, "account_balance_wallet"), (Transaction, "swap_horiz"))),
    (
        "Commands",
        (
            (Operation, "playlist_play"),
            (CommandLog, "receipt_long"),
            (Schedule, "schedule"),
            (StandingOrder, "pause_circle"),
            (Configuration, "tune"),
        ),
    ),
    ("Reports", ((ClientError, "error"), (ClientLog, "article"))),
    ("Installation", ((StreamNode, "dns"), (User, "person"), (Group, "group"), (TokenProxy, "key"))),
)
"""Title of each group, its models and their icons (Material Symbols)."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, as Unfold wants it: what this user may see."""
    groups = (
        (title, [_item(*entry) for entry in entries if _sees(request, entry[0])]) for title, entries in GROUPS
    )
    return [{"title": title, "separator": True, "items": items} for title, items in groups if items]


def _sees(request: HttpRequest, model: type[Model]) -> bool:
    return site.get_model_admin(model).has_view_permission(request)


def _item(model: type[Model], icon: str) -> dict[str, Any]:
    meta = model._meta
    link = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return {"title": str(meta.verbose_name_plural).capitalize(), "icon": icon, "link": link}
