"""Causes: why a command waits or has ended. Code decides by the cause; its label is the text for people."""

from django.db import models


class Cause(models.TextChoices):
    """Why a row is in its state."""

    # Why a queued command waits.
    OPERATION = "operation", "waits for its turn in the operation"
    OFFLINE = "offline", "waits for the client to connect"
    STANDING_ORDER = "standing_order", "a standing order keeps the client paused"
    RETRY = "retry", "will be tried again"
    RELEASED = "released", "released"
    # Of a command that was sent.
    CLAIMED = "claimed", "claimed"
    CANCEL_REQUESTED = "cancel_requested", "cancel requested"
    # Why a command ended before it was sent.
    NOT_CONNECTED = "not_connected", "the client is not connected"
    UNSUPPORTED = "unsupported", "the client did not declare this command"
    ORDER_SINCE = "order_since", "a standing order given since keeps the client paused"
    EXPIRED = "expired", "expired before it could be delivered"
    IDENTITY = "identity", "issued for the client as it was before it was provisioned anew"
    ATTEMPTS_SPENT = "attempts_spent", "attempts are spent"
    UNKNOWN_COMMAND = "unknown_command", "this version does not take the command with these parameters"
    CANCELED = "canceled", "canceled"
    ABORTED = "aborted", "aborted"
    SUPERSEDED = "superseded", "superseded"
    # Why an attempt failed.
    NOT_HANDED_OVER = "not_handed_over", "not handed over"
    NO_ACK = "no_ack", "no ack in time"
    NO_WORD = "no_word", "no word from the worker that had it"
    # What the client said.
    ACKED = "acked", "acked"
    CLIENT_FAILED = "client_failed", "the client failed"
    CLIENT_REJECTED = "client_rejected", "the client refused"
    CLIENT_UNSURE = "client_unsure", "the client does not know the outcome"


PARKED = frozenset({Cause.OFFLINE, Cause.STANDING_ORDER})
"""Causes of parked rows. These do not count against their operation's window, and their wave does not wait for them."""

UNCERTAIN = "; the outcome of an earlier attempt is unknown"
"""Added to the reason of a voided row whose earlier attempt may have taken effect."""
