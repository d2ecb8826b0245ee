"""When: cron and intervals, in a zone whose clocks are put forward and back."""

import re
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
RANDOM = re.compile(r"(?:^|[\s,])[hr](?:[\s(/,]|$)", re.IGNORECASE)
"""croniter's own additions: a field drawn anew each time it is looked at is no occurrence to agree on."""
ALIASES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})
PATIENCE = 1_500
"""So many days (or rarer occurrences) are searched for one inside the window."""


class Rhythm(Protocol):
    def after(self, moment: datetime) -> datetime | None:
        """The first occurrence later than `moment`, in UTC; None if there is none any more."""


class Interval:
    """Every so many seconds since `anchor`, by the clock that is never put back."""

    def __init__(self, seconds: int, anchor: datetime) -> None:
        self._step, self._anchor = timedelta(seconds=seconds), anchor.astimezone(UTC)

    def after(self, moment: datetime) -> datetime:
        if moment < self._anchor:
            return self._anchor
        return self._anchor + ((moment - self._anchor) // self._step + 1) * self._step


class Cron:
    """Five fields, in local time. Raises ValueError with a sentence for the user.

    Where the clocks are put forward, what was to be in the hour that is left out comes when they jump, once. Where they
    are put back, a named hour counts once, the first time; with `*` hours (`*/15 * * * *`) time simply goes on, so that
    the hour which comes twice has all of its occurrences twice.
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
            return self._going_on(moment) if self._every_hour else self._once_a_day(moment)
        except CroniterBadDateError:
            return None

    def _going_on(self, moment: datetime) -> datetime:
        """Within a stretch of one UTC offset, then within the next."""
        while True:
            offset = self._offset(moment)
            found = self._next(self._local(moment)).replace(tzinfo=UTC) - offset
            change = self._change(moment, found)
            if change is None:
                return found
            if croniter.match(self._text, self._local(change)):
                return change
            moment = change

    def _once_a_day(self, moment: datetime) -> datetime:
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
        """The first time that the clocks show `local`, or the moment at which they jump over it."""
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
    """Only what falls into a time of day: from `begin` until before `end`, over midnight if that is earlier."""

    def __init__(self, rhythm: Rhythm, zone: ZoneInfo, begin: time, end: time) -> None:
        self._rhythm, self._zone, self._begin, self._end = rhythm, zone, begin, end

    def after(self, moment: datetime) -> datetime | None:
        for _ in range(PATIENCE):
            found = self._rhythm.after(moment)
            if found is None or self._open(found.astimezone(self._zone).time()):
                return found
            # Nothing can be before the window opens again; a second less, for "after" leaves the moment itself out.
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
