from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class Reading(ModelAdmin):
    """What services or clients write is here to be read: no adding, changing or deleting."""

    list_filter_submit = True
    compressed_fields = True
    list_per_page = 50
    # An unfiltered count of a long table costs more than it tells.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
