"""The checker against ledgers that were tampered with: each lie is found, and called by its name."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos import checker
from tests.chaos.evidence import Effect, Entry, Evidence, Issued, Row, Step

Tamper = Callable[[Evidence], Evidence]

NOW = 1_000.0
CLIENT, OTHER = "client-1", "client-2"
WAYS = {
    "done": "QUEUED SENT SUCCEEDED",
    "retried": "QUEUED SENT QUEUED SENT SUCCEEDED",
    "late": "QUEUED SENT TIMED_OUT SUCCEEDED",
    "overtaken": "QUEUED SENT QUEUED SUCCEEDED",
    "silent": "QUEUED SENT TIMED_OUT",
    "refused": "QUEUED SENT REJECTED",
    "absent": "QUEUED QUEUED NOT_CONNECTED",
    "expired": "QUEUED EXPIRED",
    "canceled": "QUEUED CANCELED",
    "superseded": "QUEUED SUPERSEDED",
}
TOOK_EFFECT = ("done", "retried", "late", "overtaken", "silent")


def row(id: str, way: str, **changes: object) -> Row:
    states = way.split()
    steps = tuple(Step(NOW - 50 + at, state) for at, state in enumerate(states))
    answered = states[-1] in ("SUCCEEDED", "FAILED", "REJECTED")
    sent = states.count("SENT")
    made = Row(
        id,
        CLIENT,
        "sync_wallets",
        states[-1],
        steps,
        attempt=max(sent, 1),
        seen="SENT" in states,
        late=answered and states[-2] == "TIMED_OUT",
        superseded_by="done" if states[-1] == "SUPERSEDED" else None,
        expires_at=NOW,
        sent_at=NOW - 49 if sent else None,
        finished_at=NOW - 40,
        acked_at=NOW - 40 if answered else None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def truth() -> Evidence:
    """Every way a command can go, told as it was."""
    rows = tuple(row(id, way) for id, way in WAYS.items())
    return Evidence(
        rows=rows,
        issued=tuple(Issued(id, CLIENT, "sync_wallets", f"key-{id}") for id in WAYS),
        effects=tuple(Effect(CLIENT, id, "sync_wallets") for id in TOOK_EFFECT),
        entries=(
            *(
                Entry(CLIENT, id, success=True, settled=True)
                for id in ("done", "retried", "late", "overtaken")
            ),
            Entry(CLIENT, "refused", success=False, settled=True),
        ),
        presenting=frozenset({CLIENT}),
        idempotent=frozenset({"sync_wallets", "ping"}),
        now=NOW,
    )


def with_row(id: str, **changes: object) -> Tamper:
    def tamper(evidence: Evidence) -> Evidence:
        rows = tuple(replace(one, **changes) if one.id == id else one for one in evidence.rows)  # type: ignore[arg-type]
        return replace(evidence, rows=rows)

    return tamper


def with_way(id: str, way: str) -> Tamper:
    def tamper(evidence: Evidence) -> Evidence:
        return replace(evidence, rows=tuple(row(id, way) if one.id == id else one for one in evidence.rows))

    return tamper


def with_effects(*more: Effect) -> Tamper:
    return lambda evidence: replace(evidence, effects=evidence.effects + more)


def with_restart_between(evidence: Evidence) -> Evidence:
    others = tuple(effect for effect in evidence.effects if effect.command != "silent")
    more = (Effect(CLIENT, "silent", "restart"), Effect(CLIENT, "done", "sync_wallets"))
    return replace(evidence, effects=others + more)


def names(evidence: Evidence) -> set[str]:
    return {violation.name for violation in checker.check(evidence)}


def test_the_truth_is_accepted() -> None:
    assert checker.check(truth()) == []


OPEN = {"state": "SENT", "finished_at": None, "acked_at": None, "steps": (Step(1, "QUEUED"), Step(2, "SENT"))}


LIES: list[tuple[str, Tamper]] = [
    ("lost_command", lambda e: replace(e, rows=e.rows[1:])),
    ("totals_differ", lambda e: replace(e, issued=e.issued[1:])),
    ("totals_differ", lambda e: replace(e, rows=(*e.rows, e.rows[0]))),
    ("totals_differ", lambda e: replace(e, totals={"SUCCEEDED": 10})),
    ("ran_twice", with_effects(Effect(CLIENT, "done", "sync_wallets"))),
    ("ran_twice", with_effects(*[Effect(CLIENT, "again", "restart", life) for life in (1, 2)])),
    ("open_past_deadline", with_row("silent", **OPEN, due_at=NOW - 60)),
    ("open_past_deadline", with_row("silent", **OPEN, due_at=None)),
    ("never_ended", with_row("silent", **OPEN, due_at=NOW + 60)),
    ("illegal_arrow", with_way("done", "QUEUED SENT SUCCEEDED SENT SUCCEEDED")),
    ("illegal_arrow", with_way("done", "QUEUED SENT SENT SUCCEEDED")),
    ("illegal_arrow", with_way("done", "QUEUED SENT FAILED SUCCEEDED")),
    ("illegal_arrow", with_way("absent", "QUEUED NOT_CONNECTED SENT NOT_CONNECTED")),
    ("illegal_arrow", with_way("done", "SENT SUCCEEDED")),
    ("illegal_arrow", with_row("done", steps=())),
    ("history_differs", with_row("silent", state="SUCCEEDED", acked_at=NOW)),
    ("history_differs", with_row("late", late=False)),
    ("history_differs", with_row("done", late=True)),
    ("fields_contradict", with_row("done", finished_at=None)),
    ("fields_contradict", with_row("done", claim="somebody")),
    ("fields_contradict", with_row("done", acked_at=None)),
    ("attempts_over_limit", with_row("retried", max_attempts=1)),
    ("attempts_over_limit", with_row("done", attempt=4)),
    ("sent_after_expiry", with_row("done", expires_at=NOW - 60)),
    ("succeeded_without_effect", lambda e: replace(e, effects=e.effects[1:])),
    ("failed_with_effect", with_effects(Effect(CLIENT, "absent", "sync_wallets"))),
    ("failed_with_effect", with_effects(Effect(CLIENT, "expired", "sync_wallets"))),
    ("failed_with_effect", with_effects(Effect(CLIENT, "superseded", "sync_wallets"))),
    ("failed_with_effect", with_effects(Effect(CLIENT, "canceled", "sync_wallets"))),
    ("failed_with_effect", with_way("silent", "QUEUED SENT FAILED")),
    ("effect_without_command", with_effects(Effect(CLIENT, "unheard-of", "sync_wallets"))),
    ("effect_without_command", with_effects(Effect(OTHER, "done", "sync_wallets"))),
    (
        "ack_dropped",
        lambda e: replace(e, entries=(*e.entries, Entry(CLIENT, "silent", success=True, settled=False))),
    ),
    (
        "ack_dropped",
        lambda e: replace(
            e, presenting=frozenset(), entries=(*e.entries, Entry(CLIENT, "silent", True, settled=True))
        ),
    ),
    ("ack_contradicted", lambda e: replace(e, entries=(Entry(CLIENT, "done", False, settled=True),))),
    (
        "dedupe_broken",
        lambda e: replace(e, issued=(*e.issued, Issued("late", CLIENT, "ping", "key-done"))),
    ),
    ("superseded_by_nothing", with_row("superseded", superseded_by=None)),
]


@pytest.mark.parametrize(("name", "tamper"), LIES)
def test_a_lie_is_found_by_its_name(name: str, tamper: Tamper) -> None:
    assert name in names(tamper(truth()))


@pytest.mark.parametrize(
    "tamper",
    [
        with_effects(Effect(CLIENT, "done", "sync_wallets", life=2)),
        with_restart_between,
        with_effects(Effect(CLIENT, "unheard-of", "ping")),
        with_row("silent", **OPEN, due_at=NOW - 5),
        with_way("silent", "QUEUED SENT QUEUED SENT QUEUED SENT TIMED_OUT"),
        lambda e: replace(e, uncertain=frozenset({"never-came"})),
    ],
    ids=["crash", "restart", "own ping", "in time", "all attempts", "uncertain"],
)
def test_what_is_no_lie_is_not_called_one(tamper: Tamper) -> None:
    assert names(replace(tamper(truth()), quiet=False)) == set()


def test_every_check_was_tried() -> None:
    assert {name for name, _ in LIES} == {check.__name__ for check in checker.CHECKS}
