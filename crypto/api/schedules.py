"""Schedules: create, read, change, delete, and run at once."""

from datetime import datetime
from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from crypto.api.common.fields import ObjectField
from crypto.api.common.filters import Filters, FlagFilter
from crypto.api.common.permissions import may_send, may_write
from crypto.api.common.request_body import no_fields, object_body, only
from crypto.api.common.schema import Error
from crypto.api.operations.responses import RESPONSES, accepted
from crypto.commands import registry
from crypto.models import Schedule, ScheduleRun, Source
from crypto.services import schedules
from crypto.services.operations import progress

RUNS = 10
FORBIDDEN = {403: OpenApiResponse(Error, "You may not change schedules, or not send the command.")}


class Run(serializers.ModelSerializer[ScheduleRun]):
    class Meta:
        model = ScheduleRun
        fields = ("occurrence", "at", "outcome", "operation", "principal", "note")


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    params = ObjectField(required=False, help_text="The command's parameters.")
    selector = ObjectField(required=False, help_text='Which clients; `{"all": true}` unless given.')
    problem = serializers.SerializerMethodField(help_text="Why it cannot run; empty if it can.")
    next_runs = serializers.SerializerMethodField(help_text="The next five occurrences, before their jitter.")
    last_runs = serializers.SerializerMethodField(help_text="What became of the last ones.")

    class Meta:
        model = Schedule
        fields = (
            "id",
            "name",
            "command",
            "params",
            "selector",
            "cron",
            "interval",
            "time_zone",
            "jitter",
            "enabled",
            "start",
            "end",
            "window_start",
            "window_end",
            "missed",
            "overlap",
            "problem",
            "next_runs",
            "last_run",
            "last_runs",
            "created_at",
        )
        read_only_fields = ("last_run", "created_at")

    @extend_schema_field(serializers.CharField())
    def get_problem(self, schedule: Schedule) -> str:
        return schedules.problem(schedule)

    @extend_schema_field(serializers.ListField(child=serializers.DateTimeField()))
    def get_next_runs(self, schedule: Schedule) -> list[datetime]:
        return schedules.next_runs(schedule)

    @extend_schema_field(Run(many=True))
    def get_last_runs(self, schedule: Schedule) -> Any:
        return Run(schedule.runs.all()[:RUNS], many=True).data


class ScheduleFilters(Filters):
    enabled = FlagFilter(field_name="enabled")
    command = django_filters.CharFilter()


class ScheduleViewSet(ModelViewSet[Schedule]):
    """Commands to selections of clients, over and over, by name."""

    queryset = Schedule.objects.order_by("name")
    serializer_class = ScheduleSerializer
    filterset_class = ScheduleFilters

    @extend_schema(responses={201: ScheduleSerializer, **FORBIDDEN})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._allow("add")
        return super().create(request, *args, **kwargs)

    @extend_schema(responses={200: ScheduleSerializer, **FORBIDDEN})
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._allow("change")
        return super().update(request, *args, **kwargs)

    @extend_schema(responses={200: ScheduleSerializer, **FORBIDDEN})
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().partial_update(request, *args, **kwargs)

    @extend_schema(responses={204: None, **FORBIDDEN})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._allow("delete")
        return super().destroy(request, *args, **kwargs)

    @extend_schema(operation_id="schedule_run", request=None, responses=RESPONSES)
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Start its operation now, beside its occurrences."""
        schedule = self.get_object()
        self._may_send(schedule.command)
        no_fields(object_body(request))
        started = schedules.run_now(schedule, source=Source.REST, principal=request.user.get_username())
        return accepted(progress.progress(started.pk), request)

    def perform_create(self, serializer: Any) -> None:
        self._may_send(serializer.validated_data["command"])
        serializer.save()

    def perform_update(self, serializer: Any) -> None:
        """Whoever changes a schedule has to be allowed to send what it sends, before and after."""
        self._may_send(serializer.instance.command)
        self._may_send(serializer.validated_data.get("command", serializer.instance.command))
        serializer.save()

    def _may_send(self, name: str) -> None:
        if name in registry:  # else the schedule's own check names it
            may_send(self.request, name)

    def _allow(self, deed: str) -> None:
        only(object_body(self.request), self.serializer_class.Meta.fields)
        may_write(self.request, deed, Schedule)
