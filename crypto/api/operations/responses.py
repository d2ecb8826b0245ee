"""How operations look in an answer."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from crypto.api.common.fields import CountsField, ObjectField
from crypto.api.common.schema import Error
from crypto.models import Operation, State
from crypto.services.operations.progress import Progress


class OperationSerializer(serializers.ModelSerializer[Operation]):
    url = serializers.SerializerMethodField(help_text="Where its progress is.")
    params = ObjectField(help_text="The command's parameters.")
    selector = ObjectField(help_text="What the targets were chosen by.")
    policy = ObjectField(help_text="What differs from the default policy.")

    class Meta:
        model = Operation
        fields: tuple[str, ...] = (
            "id",
            "url",
            "command",
            "params",
            "selector",
            "policy",
            "snapshot",
            "targets",
            "state",
            "note",
            "wave",
            "waves",
            "source",
            "principal",
            "reason",
            "parent",
            "created_at",
            "started_at",
            "finished_at",
        )

    def get_url(self, operation: Operation) -> str:
        return reverse(
            "api:operation-detail", kwargs={"pk": operation.pk}, request=self.context.get("request")
        )


class ReasonSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(State.choices)
    reason = serializers.CharField()
    count = serializers.IntegerField()


class OperationDetail(OperationSerializer):
    """An operation with its progress."""

    counts = CountsField(
        read_only=True, help_text="Targets by the state of their command; adds up to `targets`."
    )
    ended = serializers.IntegerField(read_only=True)
    rate = serializers.FloatField(read_only=True, help_text="Commands ended a second.")
    eta_seconds = serializers.FloatField(
        read_only=True, allow_null=True, help_text="Null where that cannot be told."
    )
    reasons = ReasonSerializer(many=True, read_only=True, help_text="Why commands did not succeed.")

    class Meta(OperationSerializer.Meta):
        fields = (*OperationSerializer.Meta.fields, "counts", "ended", "rate", "eta_seconds", "reasons")


class TargetSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.CharField()
    connected = serializers.BooleanField()
    supported = serializers.BooleanField()


class PreviewAnswer(serializers.Serializer[Any]):
    """What a start would mean; the counts overlap."""

    targets = serializers.IntegerField()
    offline = serializers.IntegerField()
    unsupported = serializers.IntegerField(help_text="Clients that did not declare the command.")
    paused = serializers.IntegerField()
    snapshot = serializers.CharField(help_text="Pass it to the start as `expected_snapshot`.")
    sample = TargetSerializer(many=True)


RESPONSES = {
    202: OpenApiResponse(OperationDetail, "Under way; Location says where its progress is."),
    403: OpenApiResponse(Error, "You may not send this command."),
    409: OpenApiResponse(
        Error, "The targets have changed since the preview, or the Idempotency-Key was used before."
    ),
    413: OpenApiResponse(Error, "The body is too large."),
    415: OpenApiResponse(Error, "The body is not JSON."),
}


def described(found: Progress, request: Request) -> dict[str, Any]:
    figures = {
        "counts": found.counts,
        "ended": found.totals.ended,
        "rate": round(found.rate, 1),
        "eta_seconds": None if found.eta is None else round(found.eta.total_seconds(), 1),
        "reasons": [{"state": r.state, "reason": r.reason, "count": r.count} for r in found.reasons],
    }
    return {**OperationSerializer(found.operation, context={"request": request}).data, **figures}


def accepted(found: Progress, request: Request) -> Response:
    answer = described(found, request)
    return Response(answer, status=202, headers={"Location": answer["url"]})
