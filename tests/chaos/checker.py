"""Judges what a run has left behind. Pure functions; each check is named after what it finds.

The checker shares no code with what it judges: the legal arrows stand here once more.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.evidence import ANSWERED, OPEN, UNKNOWN, Effect, Evidence, Row

ENDS = ANSWERED | UNKNOWN | {"NOT_CONNECTED", "EXPIRED"}
ARROWS: dict[str, frozenset[str]] = {
    "QUEUED": ENDS | {"QUEUED", "SENT", "SUPERSEDED"},
    "SENT": ENDS | {"QUEUED", "SUPERSEDED"},
    **dict.fromkeys(UNKNOWN, ANSWERED),
}
WITHOUT_EFFECT = frozenset({"FAILED", "REJECTED", "NOT_CONNECTED", "EXPIRED", "SUPERSEDED"})
"""States which say that the command did not take effect."""
SLACK = 10.0
"""Seconds past its deadline after which an open row counts as forgotten."""

Found = Iterator[tuple[str, str]]
"""Command ids with what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Violation:
    name: str
    command: str
    what: str

    def __str__(self) -> str:
        return f"{self.name}: {self.command}: {self.what}"


def check(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong; empty for a ledger that tells the truth."""
    return [Violation(one.__name__, command, what) for one in CHECKS for command, what in one(evidence)]


def lost_command(evidence: Evidence) -> Found:
    """On record, its issuer was told, and now it is not."""
    known = {row.id for row in evidence.rows}
    for issued in evidence.issued:
        if issued.id not in known:
            yield issued.id, f"{issued.command} was issued and is not in the ledger"


def totals_differ(evidence: Evidence) -> Found:
    """The states do not add up to what was issued."""
    counted = Counter(row.state for row in evidence.rows)
    if evidence.totals and counted != Counter(evidence.totals):
        yield "", f"{dict(counted)} are not {dict(evidence.totals)}"
    expected = {issued.id for issued in evidence.issued} | evidence.uncertain
    for row in evidence.rows:
        if row.id not in expected:
            yield row.id, f"nobody issued this {row.command}"
    for id, count in Counter(row.id for row in evidence.rows).items():
        if count > 1:
            yield id, f"is there {count} times"


def ran_twice(evidence: Evidence) -> Found:
    """A handler ran again: for commands that are idempotent only a crash of the agent in between excuses it."""
    for (_, command), runs in _runs(evidence).items():
        verb = runs[0][1].verb
        if verb not in evidence.idempotent and len(runs) > 1:
            yield command, f"{verb} is not idempotent and ran {len(runs)} times"
        elif any(_same_life(evidence, *pair) for pair in pairwise(runs)):
            yield command, f"{verb} ran {len(runs)} times although the agent had not crashed"


def open_past_deadline(evidence: Evidence) -> Found:
    for row in evidence.rows:
        if row.state not in OPEN:
            continue
        if row.due_at is None:
            yield row.id, f"{row.state} without a deadline"
        elif row.due_at < evidence.now - SLACK:
            yield row.id, f"{row.state} and {evidence.now - row.due_at:.1f} s overdue"


def never_ended(evidence: Evidence) -> Found:
    """All clients are there, nothing moves, and still it is open."""
    for row in evidence.rows if evidence.quiet else ():
        if row.state in OPEN:
            yield row.id, f"{row.command} is {row.state} for good: {row.steps[-1].why if row.steps else ''}"


def illegal_arrow(evidence: Evidence) -> Found:
    for row in evidence.rows:
        states = [step.state for step in row.steps]
        if not states or states[0] != "QUEUED":
            yield row.id, f"the history begins with {states[:1]}"
        for before, after in pairwise(states):
            if after not in ARROWS.get(before, frozenset()):
                yield row.id, f"{before} -> {after}: {' -> '.join(states)}"


def history_differs(evidence: Evidence) -> Found:
    """The row and its own history tell different stories."""
    for row in evidence.rows:
        states = [step.state for step in row.steps]
        if states and states[-1] != row.state:
            yield row.id, f"the row is {row.state}, its history ends with {states[-1]}"
        was_late = any(before in UNKNOWN and after in ANSWERED for before, after in pairwise(states))
        if was_late != row.late:
            yield row.id, f"late is {row.late}, the history says {' -> '.join(states)}"


def fields_contradict(evidence: Evidence) -> Found:
    for row in evidence.rows:
        if (row.finished_at is None) != (row.state in OPEN):
            yield row.id, f"{row.state} and finished at {row.finished_at}"
        if row.claim is not None and row.state != "SENT":
            yield row.id, f"{row.state} and still claimed"
        if row.state in ANSWERED and row.acked_at is None and row.attempt > 0 and row.sent_at is not None:
            yield row.id, f"{row.state} without the time of the ack"


def attempts_over_limit(evidence: Evidence) -> Found:
    """What waits for its client uses up an attempt only where the client may have seen it."""
    for row in evidence.rows:
        sent = sum(step.state == "SENT" for step in row.steps)
        counted = row.attempt if row.offline == "queue" else max(row.attempt, sent)
        if counted > row.max_attempts:
            yield row.id, f"{row.attempt} attempts, sent {sent} times, and {row.max_attempts} were allowed"


def sent_after_expiry(evidence: Evidence) -> Found:
    for row in evidence.rows:
        last = max((step.at for step in row.steps if step.state == "SENT"), default=0.0)
        if row.expires_at is not None and last > row.expires_at:
            yield row.id, f"sent {last - row.expires_at:.1f} s after it had expired"


def succeeded_without_effect(evidence: Evidence) -> Found:
    took_effect = {(effect.client, effect.command) for effect in evidence.effects}
    for row in evidence.rows:
        if row.state == "SUCCEEDED" and (row.client, row.id) not in took_effect:
            yield row.id, f"{row.command} SUCCEEDED and took no effect"


def failed_with_effect(evidence: Evidence) -> Found:
    took_effect = {effect.command for effect in evidence.effects}
    for row in evidence.rows:
        denied = row.state in WITHOUT_EFFECT or (row.state == "CANCELED" and not row.seen)
        if denied and row.id in took_effect:
            yield row.id, f"{row.command} is {row.state} and took effect: {row.steps[-1].why}"


def effect_without_command(evidence: Evidence) -> Found:
    """Something ran that nobody commanded, or at the wrong client. (The servers' own pings are not on record.)"""
    clients = {row.id: row.client for row in evidence.rows}
    for effect in evidence.effects:
        if effect.command not in clients:
            if effect.verb != "ping":
                yield effect.command, f"{effect.verb} ran at {effect.client} and is not in the ledger"
        elif clients[effect.command] != effect.client:
            yield effect.command, f"{effect.verb} for {clients[effect.command]} ran at {effect.client}"


def ack_dropped(evidence: Evidence) -> Found:
    """The agent knows the outcome and has said so; the ledger does not."""
    rows = {row.id: row for row in evidence.rows}
    for entry in evidence.entries:
        row = rows.get(entry.command)
        if row is None or row.state in ANSWERED:
            continue
        if entry.settled:
            yield row.id, f"{row.state}, but the agent was told that its ack is in the ledger"
        elif entry.client in evidence.presenting:
            yield row.id, f"{row.state}, but the agent presented its ack"


def ack_contradicted(evidence: Evidence) -> Found:
    """The ledger says the opposite of the agent's journal."""
    rows = {row.id: row for row in evidence.rows}
    for entry in evidence.entries:
        row = rows.get(entry.command)
        if row is not None and row.state in ANSWERED and (row.state == "SUCCEEDED") != entry.success:
            yield row.id, f"{row.state}, but the agent's answer was success={entry.success}"


def dedupe_broken(evidence: Evidence) -> Found:
    """One key, two commands."""
    keys: dict[str, set[str]] = defaultdict(set)
    for row in evidence.rows:
        if row.dedupe_key is not None:
            keys[row.dedupe_key].add(row.id)
    for issued in evidence.issued:
        if issued.key is not None:
            keys[issued.key].add(issued.id)
    for key, ids in keys.items():
        if len(ids) > 1:
            yield min(ids), f"the key {key!r} stands for {len(ids)} commands"


def superseded_by_nothing(evidence: Evidence) -> Found:
    rows = {row.id: row for row in evidence.rows}
    for row in evidence.rows:
        if row.state == "SUPERSEDED":
            by = rows.get(row.superseded_by or "")
            if by is None or by.client != row.client:
                yield row.id, f"superseded by {row.superseded_by}, which is no command to this client"


CHECKS: tuple[Callable[[Evidence], Found], ...] = (
    lost_command,
    totals_differ,
    ran_twice,
    open_past_deadline,
    never_ended,
    illegal_arrow,
    history_differs,
    fields_contradict,
    attempts_over_limit,
    sent_after_expiry,
    succeeded_without_effect,
    failed_with_effect,
    effect_without_command,
    ack_dropped,
    ack_contradicted,
    dedupe_broken,
    superseded_by_nothing,
)


def _runs(evidence: Evidence) -> dict[tuple[str, str], list[tuple[int, Effect]]]:
    """The runs of each command at each client, each with its place among all effects."""
    runs: dict[tuple[str, str], list[tuple[int, Effect]]] = defaultdict(list)
    for place, effect in enumerate(evidence.effects):
        runs[effect.client, effect.command].append((place, effect))
    return runs


def _same_life(evidence: Evidence, first: tuple[int, Effect], second: tuple[int, Effect]) -> bool:
    """Whether the agent neither crashed nor restarted itself between two runs."""
    if first[1].life != second[1].life:
        return False
    between = evidence.effects[first[0] : second[0]]
    return not any(effect.verb == "restart" and effect.client == first[1].client for effect in between)


def by_name(violations: list[Violation]) -> dict[str, int]:
    return dict(Counter(violation.name for violation in violations))


def tell(rows: tuple[Row, ...], violation: Violation) -> str:
    """The violation with the history of its command, for people."""
    steps = [
        f"    {step.at:.3f} {step.state:13} {step.process}: {step.why}"
        for row in rows
        if row.id == violation.command
        for step in row.steps
    ]
    return "\n".join([str(violation), *steps])
