"""Recurrence: cron and intervals, in time zones with daylight saving."""

import re
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
RANDOM = re.compile(r"(?:^|[\s,])[hr](?:[\s(/,]|$)", re.IGNORECASE)
"""Fields that croniter fills at random. They are refused: every process must find the same occurrences."""
ALIASES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})
SEARCHED = 1_500
"""How many windows, one a day at most, are searched for an occurrence."""


class Recurrence(Protocol):
    def after(self, moment: datetime) -> datetime | None:
        """The first occurrence later than `moment`, in UTC; None if there is none."""


class Interval:
    """Every so many seconds since `anchor`, in UTC."""

    def __init__(self, seconds: int, anchor: datetime) -> None:
        self._step, self._anchor = timedelta(seconds=seconds), anchor.astimezone(UTC)

    def after(self, moment: datetime) -> datetime:
        if moment < self._anchor:
            return self._anchor
        return self._anchor + ((moment - self._anchor) // self._step + 1) * self._step


class Cron:
    """A cron expression of five fields, in local time. Raises ValueError with a message for the user.

    When the clocks are put forward, occurrences in the skipped hour come once, at the moment of the change. When they
    are put back, an expression that names its hours runs once, the first time; with `*` hours (`*/15 * * * *`) it runs
    in both of the repeated hours.
    """

    def __init__(self, text: str, zone: ZoneInfo) -> None:
        fields = text.split()
        if text not in ALIASES and (len(fields) != 5 or RANDOM.search(text)):
            raise ValueError("Must have five fields: minute, hour, day of month, month, day of week.")
        try:
            expanded = croniter.expand(text)[0]
        except ValueError as error:
            raise ValueError(f"Is no cron expression: {error}.") from None
        self._text, self._zone = text, zone
        self._every_hour = expanded[1] == ["*"] or (len(fields) == 5 and fields[1].startswith("*"))

    def after(self, moment: datetime) -> datetime | None:
        try:
            return self._every_hour_after(moment) if self._every_hour else self._named_hours_after(moment)
        except CroniterBadDateError:
            return None

    def _every_hour_after(self, moment: datetime) -> datetime:
        """Search while the UTC offset stays the same, then go on from its change."""
        while True:
            offset = self._offset(moment)
            found = self._next(self._local(moment)).replace(tzinfo=UTC) - offset
            change = self._change(moment, found)
            if change is None:
                return found
            if croniter.match(self._text, self._local(change)):
                return change
            moment = change

    def _named_hours_after(self, moment: datetime) -> datetime:
        local = self._local(moment)
        while True:
            local = self._next(local)
            found = self._instant(local)
            if found > moment:
                return found

    def _next(self, local: datetime) -> datetime:
        found: datetime = croniter(self._text, local).get_next(datetime)
        return found

    def _instant(self, local: datetime) -> datetime:
        """The first moment at which clocks show `local`, or the moment at which they skip it."""
        found = local.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        if self._local(found) == local:
            return found
        before = local.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        return self._change(before, found) or found

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=None, fold=0)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or timedelta()

    def _change(self, begin: datetime, end: datetime) -> datetime | None:
        """The first moment in (begin, end] with another UTC offset than `begin`."""
        offset = self._offset(begin)
        while begin < end:
            until = min(end, begin + DAY)
            if self._offset(until) == offset:
                begin = until
                continue
            while until - begin > SECOND:
                middle = begin + (until - begin) / 2
                begin, until = (begin, middle) if self._offset(middle) != offset else (middle, until)
            return until.replace(microsecond=0)
        return None


class Windowed:
    """Only occurrences at a time of day from `begin` until before `end`; over midnight if `end` is earlier."""

    def __init__(self, recurrence: Recurrence, zone: ZoneInfo, begin: time, end: time) -> None:
        self._recurrence, self._zone, self._begin, self._end = recurrence, zone, begin, end

    def after(self, moment: datetime) -> datetime | None:
        for _ in range(SEARCHED):
            found = self._recurrence.after(moment)
            if found is None or self._open(found.astimezone(self._zone).time()):
                return found
            # Go on where the window opens next; a second earlier, because `after` excludes its moment.
            moment = max(found, self._opening(found) - SECOND)
        return None

    def _open(self, now: time) -> bool:
        if self._begin < self._end:
            return self._begin <= now < self._end
        return now >= self._begin or now < self._end

    def _opening(self, moment: datetime) -> datetime:
        local = moment.astimezone(self._zone)
        day = local.date() + (DAY if local.time() >= self._begin else timedelta())
        return datetime.combine(day, self._begin, self._zone).astimezone(UTC)


@lru_cache(maxsize=256)
def cron(text: str, zone: ZoneInfo) -> Cron:
    """Raises ValueError."""
    return Cron(text, zone)
