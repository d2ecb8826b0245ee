"""Why a command has not ended and what would unblock it, in one sentence."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from crypto.commands import registry
from crypto.models import Cause, Client, CommandLog, Offline, State, StreamNode, WorkerBeat, clock
from crypto.models.stream_node import alive
from crypto.services.fleet.worker_heartbeat import SILENCE, last_heartbeat
from crypto.services.ledger.admission import is_blocked


@dataclass(frozen=True, slots=True)
class Explanation:
    cause: str
    """For programs."""
    sentence: str


def explain(row: CommandLog) -> Explanation:
    """As of now. A few queries; changes nothing."""
    now = clock.now()
    if row.is_open:
        causes = WAITING if row.state == State.QUEUED else IN_FLIGHT
        found = next(filter(None, (cause(row, now) for cause in causes)))
        return Explanation(*found)
    return Explanation(row.state.lower(), ENDED[State(row.state)].format(row=row, reason=row.reason or "-"))


ENDED = {
    State.SUCCEEDED: "It is done: the client acked it.",
    State.FAILED: "The client ran it and failed ({reason}); issue it again once that is mended.",
    State.REJECTED: "It was refused ({reason}); asking again will not help.",
    State.NOT_CONNECTED: "The client was not reached and has not seen it ({reason}); issue it again when the"
    " client is connected, or with the offline policy queue.",
    State.TIMED_OUT: "It was sent and no ack came, so its outcome is unknown ({reason}); a late ack would"
    " still settle it.",
    State.EXPIRED: "It expired at {row.expires_at:%Y-%m-%d %H:%M:%S} UTC before it was delivered ({reason});"
    " issue it again.",
    State.CANCELED: "It was canceled ({reason}); issue it again if it is wanted after all.",
    State.SUPERSEDED: "It is void: {row.superseded_by}, issued later, overrides it.",
}

Found = tuple[str, str]
"""The cause for programs, and the sentence."""


def _not_released(row: CommandLog, now: datetime) -> Found | None:
    if not row.held or row.operation is None:
        return None
    operation = row.operation
    state, note = operation.get_state_display(), f" ({operation.note})" if operation.note else ""
    where = f"in wave {row.wave} of {operation.waves}" if operation.waves > 1 else "behind its rate limit"
    return "held", f"Its operation {operation.pk}, {state}{note}, has not released it yet: it stands {where}."


def _expired(row: CommandLog, now: datetime) -> Found | None:
    if row.expires_at is None or row.expires_at > now:
        return None
    return "expired", f"It expired {_ago(row.expires_at, now)} ago; the next sweep will end it."


def _another_identity(row: CommandLog, now: datetime) -> Found | None:
    if not row.identity_epoch or row.identity_epoch == row.client.identity_epoch:
        return None
    return "identity", "The client was provisioned anew since; it will be ended, issue it for the new one."


def _retry(row: CommandLog, now: datetime) -> Found | None:
    if row.retry_at is None or row.retry_at <= now:
        return None
    attempt = f"attempt {min(row.attempt + 1, row.max_attempts)} of {row.max_attempts}"
    return (
        "retry",
        f"It waits for {attempt} at {row.retry_at:%H:%M:%S} UTC, because the last one failed: {row.reason}.",
    )


def _no_node(row: CommandLog, now: datetime) -> Found | None:
    if StreamNode.objects.filter(alive(now)).exists():
        return None
    last = StreamNode.objects.order_by("-lease_until").values_list("lease_until", flat=True).first()
    since = f" for {_ago(last, now)}" if last else ""
    return "no_node", f"There has been no live streaming node{since}; start one (manage.py rungrpc)."


def _offline(row: CommandLog, now: datetime) -> Found | None:
    client = row.client
    if client.is_connected:
        return None
    unblock = (
        "it leaves when the client connects"
        if row.offline == Offline.QUEUE
        else f"it ends unless the client connects within attempt {row.max_attempts}"
    )
    until = f", until it expires at {row.expires_at:%Y-%m-%d %H:%M:%S} UTC" if row.expires_at else ""
    return "offline", f"The client is offline {_offline_since(client, now)}; {unblock}{until}."


def _standing_order(row: CommandLog, now: datetime) -> Found | None:
    command, order = registry.get(row.command), row.client.paused_by
    if command is None or order is None or not is_blocked(command, order.pk):
        return None
    until = f" until it expires at {row.expires_at:%Y-%m-%d %H:%M:%S} UTC" if row.expires_at else ""
    why = f" ({order.reason})" if order.reason else ""
    return (
        Cause.STANDING_ORDER.value,
        f"{Cause.STANDING_ORDER.label.capitalize()}: {order}{why}; it waits for that to be lifted{until}.",
    )


def _no_worker(row: CommandLog, now: datetime) -> Found | None:
    seen = last_heartbeat(row.lane)
    if seen is not None and seen > now - SILENCE:
        return None
    since = f"for {_ago(seen, now)}" if seen else "within a day"
    return (
        "no_worker",
        f"No worker was heard of on its lane {row.lane!r} {since}; start one (manage.py rundramatiq).",
    )


def _behind(row: CommandLog, now: datetime) -> Found | None:
    """Another command of its conflict class is with the client."""
    conflict_class = registry[row.command].conflict_class if row.command in registry else ""
    if not conflict_class:
        return None
    names = [name for name, cls in registry.items() if cls.conflict_class == conflict_class]
    others = CommandLog.objects.filter(
        client=row.client_id, state=State.SENT, command__in=names, due_at__isnull=False
    )
    if row.sent_at is not None and row.state == State.SENT:
        others = others.filter(sent_at__lt=row.sent_at)
    other = others.exclude(pk=row.pk).order_by("sent_at").first()
    if other is None:
        return None
    text = f"It stands behind {other.command} {other.pk}, which the client has not acked yet"
    return "behind", f"{text}: of the class {conflict_class!r} one runs at a time."


def _backlog(row: CommandLog, now: datetime) -> Found:
    waiting = CommandLog.objects.filter(
        lane=row.lane, state=State.QUEUED, held=False, due_at__isnull=False, created_at__lt=row.created_at
    )
    return (
        "backlog",
        f"It waits for a worker of the lane {row.lane!r}, with {waiting.count()} issued before it; one takes it as"
        " soon as it is free, and if its message was lost, the sweeper enqueues it again.",
    )


def _canceling(row: CommandLog, now: datetime) -> Found | None:
    if row.cancel_requested_at is None:
        return None
    text = f"Its cancelation was requested {_ago(row.cancel_requested_at, now)} ago, after it was sent"
    return "canceling", f"{text}; an ack in time still counts, else it ends canceled {_by(row.due_at)}."


def _abandoned(row: CommandLog, now: datetime) -> Found | None:
    """The process that sent it is gone."""
    process = next((step.process for step in reversed(row.steps)), "")
    gone = WorkerBeat.objects.filter(process=process, seen_at__lte=now - SILENCE).exists()
    overdue = row.due_at is not None and row.due_at <= now
    if not (gone or overdue):
        return None
    then = (
        "the next sweep settles it"
        if overdue
        else f"its lease ends {_by(row.due_at)} and the sweeper settles it"
    )
    return "abandoned", f"{process} had it and was not heard of again; {then}, or an ack before."


def _gone(row: CommandLog, now: datetime) -> Found | None:
    if row.client.is_connected:
        return None
    text = f"It was sent and the client is offline {_offline_since(row.client, now)}"
    return "offline", f"{text}; without its ack the outcome is unknown {_by(row.due_at)}."


def _unacked(row: CommandLog, now: datetime) -> Found:
    since = _ago(row.sent_at or now, now)
    return (
        "unacked",
        f"It was handed on {since} ago (attempt {row.attempt} of {row.max_attempts}) and the client has not acked it"
        f" yet; it has {row.timeout:g} s.",
    )


WAITING: tuple[Callable[[CommandLog, datetime], Found | None], ...] = (
    _not_released,
    _expired,
    _another_identity,
    _no_node,
    _standing_order,
    _offline,
    _retry,
    _behind,
    _no_worker,
    _backlog,
)
"""Causes of a queued row, the strongest first; the last one always applies."""
IN_FLIGHT: tuple[Callable[[CommandLog, datetime], Found | None], ...] = (
    _canceling,
    _abandoned,
    _gone,
    _behind,
    _unacked,
)
"""Causes of a sent row; the last one always applies."""


def _offline_since(client: Client, now: datetime) -> str:
    if client.node is not None:
        return f"since its node {client.node} was last heard of, {_ago(client.node.lease_until, now)} ago"
    if client.connected_at is None:
        return "and has never been connected"
    since = client.disconnected_at
    return f"since {since:%Y-%m-%d %H:%M:%S} UTC ({_ago(since, now)})" if since else "for an unknown time"


def _ago(then: datetime, now: datetime) -> str:
    """Such as `3 min` or `2 h`, in whole numbers."""
    seconds = max(now - then, timedelta()).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _by(moment: datetime | None) -> str:
    return f"by {moment:%H:%M:%S} UTC" if moment else "soon"
