"""When cron and intervals come, against other ways of finding it out."""

from datetime import UTC, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.services.schedules.recurrence import Cron, Interval, Recurrence, Windowed

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Santiago",
)
MINUTES = ("*", "0", "*/15", "7,37", "58-59", "*/7")
HOURS = ("*", "*/2", "0", "2", "1-3", "2,14", "23")
DAYS = ("*", "1", "26", "*/9")
WEEKDAYS = ("*", "0", "1-5", "sun")
MINUTE = timedelta(minutes=1)

crons = st.tuples(*map(st.sampled_from, (MINUTES, HOURS, DAYS, ("*",), WEEKDAYS))).map(" ".join)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))
CHANGES = [
    datetime(*day, tzinfo=UTC)
    for day in ((2025, 3, 29, 20), (2025, 10, 25, 20), (2025, 3, 9, 3), (2025, 11, 2, 2), (2025, 4, 5, 12))
]


def first(recurrence: Recurrence, after: datetime, count: int) -> list[datetime]:
    found = []
    for _ in range(count):
        moment = recurrence.after(after)
        if moment is None:
            break
        found.append(moment)
        after = moment
    return found


def by_minutes(text: str, zone: ZoneInfo, after: datetime, hours: int) -> list[datetime]:
    """The occurrences found by looking at the local clock every minute."""
    named = not text.split()[1].startswith("*")
    found, shown = [], set()
    before = after.astimezone(zone)
    moment = after.replace(second=0, microsecond=0) + MINUTE
    # A named hour that has passed once does not count again: look back over one change of the clocks.
    for back in range(90):
        local = (moment - MINUTE - back * MINUTE).astimezone(zone)
        shown.add(local.replace(tzinfo=None))
    while moment <= after + timedelta(hours=hours):
        local = moment.astimezone(zone)
        jump = local.utcoffset() - before.utcoffset()  # type: ignore[operator]
        naive = local.replace(tzinfo=None, fold=0)
        left_out = (
            [naive - n * MINUTE for n in range(1, int(jump / MINUTE) + 1)] if jump > timedelta() else []
        )
        hit = croniter.match(text, naive) and not (named and naive in shown)
        if hit or (named and any(croniter.match(text, skipped) for skipped in left_out)):
            found.append(moment)
        shown.add(naive)
        before, moment = local, moment + MINUTE
    return found


@given(crons, st.sampled_from(ZONES), st.sampled_from(CHANGES), st.integers(0, 600))
@settings(max_examples=25, deadline=None)
def test_every_minute_around_a_change_of_the_clocks(
    text: str, zone: str, near: datetime, minutes: int
) -> None:
    after = near + minutes * MINUTE
    expected = by_minutes(text, ZoneInfo(zone), after, 8)

    found = first(Cron(text, ZoneInfo(zone)), after, len(expected) + 1)

    assert found[: len(expected)] == expected
    assert all(moment > after + timedelta(hours=8) for moment in found[len(expected) :])


@given(crons, moments)
@settings(max_examples=200, deadline=None)
def test_as_croniter_says_where_clocks_stay_as_they_are(text: str, after: datetime) -> None:
    naive = after.replace(tzinfo=None)
    said = croniter(text, naive).all_next(datetime)

    assert [m.replace(tzinfo=None) for m in first(Cron(text, ZoneInfo("UTC")), after, 5)] == list(
        islice(said, 5)
    )


@given(st.integers(1, 100_000), moments, moments)
def test_an_interval_keeps_its_beat(seconds: int, anchor: datetime, after: datetime) -> None:
    interval = Interval(seconds, anchor)

    one, two = first(interval, after, 2)

    assert after < one
    assert one == anchor or one <= after + timedelta(seconds=seconds)
    assert (one - anchor) % timedelta(seconds=seconds) == timedelta()
    assert two - one == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2025-03-29", ["2025-03-30T03:00:00+02:00", "2025-03-31T02:30:00+02:00"]),
        ("2025-10-25", ["2025-10-26T02:30:00+02:00", "2025-10-27T02:30:00+01:00"]),
    ],
)
def test_a_daily_run_comes_once_a_day_whatever_the_clocks_do(day: str, expected: list[str]) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    after = datetime.fromisoformat(f"{day}T12:00:00+00:00")

    found = first(Cron("30 2 * * *", berlin), after, 2)

    assert [moment.astimezone(berlin).isoformat() for moment in found] == expected


def test_a_window_over_midnight() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    window = Windowed(Cron("0 * * * *", berlin), berlin, time(23), time(1))

    found = first(window, datetime(2025, 6, 1, 12, tzinfo=UTC), 4)

    assert [moment.astimezone(berlin).hour for moment in found] == [23, 0, 23, 0]


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 4,6 *"])
def test_what_never_comes(text: str) -> None:
    assert Cron(text, ZoneInfo("UTC")).after(datetime(2025, 1, 1, tzinfo=UTC)) is None


def test_what_never_comes_within_its_window() -> None:
    utc = ZoneInfo("UTC")
    noon = Windowed(Cron("0 12 * * *", utc), utc, time(1), time(5))

    assert noon.after(datetime(2025, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    "text", ["", "* * * *", "* * * * * *", "61 * * * *", "R * * * *", "h(1-5) * * * *", "now"]
)
def test_what_is_no_cron(text: str) -> None:
    with pytest.raises(ValueError):
        Cron(text, ZoneInfo("UTC"))
