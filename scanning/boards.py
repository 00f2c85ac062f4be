"""The station board: what supervisors see of each station, live."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache

from scanning import sql
from scanning.models import AT_WORK, Device
from scanning.services import STATUS

HERE = timedelta(seconds=90)  # an open page says something every 30 s, in the background every 60 s
SILENT = timedelta(minutes=2)  # so long without a word, and what waits on a device is in danger
SETTLED = timedelta(seconds=15)  # until then a device's newest numbers may be on their way
RECENT = timedelta(hours=24)  # older stations are listed below
REMEMBERED = timedelta(days=7)  # a device that nobody has heard since then is the back office's
MANY_REFUSED = 20  # percent
FEW_SCANS = 10  # too few to speak of a share
GAPS_NAMED = 5

SUMMED = (
    *("scans", "late", "refused", "links", "undone"),
    *("waiting", "stranded", "lost", "exceptions"),
)
REFUSED = [str(outcome) for outcome, status in STATUS.items() if status >= 400]
MINUTES = int(AT_WORK / timedelta(minutes=1))


@dataclass
class Problem:
    """A sentence, and whether it is `loud` or can wait a little."""

    text: str
    loud: bool


@dataclass
class Lane:
    """One station on the board."""

    now: datetime
    name: str
    is_active: bool = True
    exceptions: int = 0
    # From its last scan
    recorded_at: datetime | None = None
    person: str = ""
    parent_code: str | None = None
    child_count: int | None = None
    capacity: int | None = None
    # From the last ten minutes
    minutes: list[int] = field(default_factory=lambda: [0] * MINUTES)  # the oldest first
    scans: int = 0
    late: int = 0
    refused: int = 0
    links: int = 0
    undone: int = 0
    # From its devices
    seen_at: datetime | None = None
    waiting: int = 0
    stranded: int = 0  # of those that wait, on devices that fell silent
    lost: int = 0
    problems: list[Problem] = field(default_factory=list)
    bars: list[dict[str, str]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Scans a minute. What came late was scanned at another time."""
        return (self.scans - self.late) / MINUTES

    @property
    def loud(self) -> bool:
        return any(problem.loud for problem in self.problems)

    @property
    def warns(self) -> bool:
        return bool(self.problems or self.exceptions)

    @property
    def is_here(self) -> bool:
        return self.seen_at is not None and self.now - self.seen_at <= HERE

    @property
    def at_work(self) -> bool:
        return self.seen_at is not None and self.now - self.seen_at <= AT_WORK

    @property
    def is_quiet(self) -> bool:
        """Nothing to say about it: no word for a day, and nothing wrong."""
        recent = self.seen_at is not None and self.now - self.seen_at <= RECENT
        return not recent and not self.warns

    @property
    def fell_silent(self) -> bool:
        """At work an hour ago or less, with a parent open, and no word since."""
        silent = SILENT < self.now - (self.seen_at or self.now) <= timedelta(hours=1)
        return silent and bool(self.parent_code)

    @property
    def seen(self) -> str:
        return _("never") if self.seen_at is None else ago(self.now, self.seen_at)

    @property
    def refused_share(self) -> float | None:
        """In percent, of all that came in."""
        return share(self.refused, self.scans)

    @property
    def undone_share(self) -> float | None:
        """In percent, of the links that were made."""
        return share(self.undone, self.links)

    @property
    def refuses_many(self) -> bool:
        return self.scans >= FEW_SCANS and self.refused_share >= MANY_REFUSED

    def add_minute(self, row: dict[str, Any]) -> None:
        """What came in one minute; 0 is the latest."""
        self.minutes[MINUTES - 1 - min(row["minute"], MINUTES - 1)] += row["scans"] - row["late"]
        for name in ("scans", "late", "refused", "links", "undone"):
            setattr(self, name, getattr(self, name) + row[name])

    def add_device(self, device: Device) -> None:
        """What a device said last. The newest comes first, and says who is here."""
        if self.seen_at is None or device.heard_at >= self.seen_at:
            self.seen_at, self.person = device.heard_at, str(device.user)
            self.parent_code = device.parent_code
            filled = device.open_parent or {}
            self.child_count, self.capacity = filled.get("child_count"), filled.get("capacity")
        self.waiting += device.waiting
        self.stranded += device.waiting if is_silent(device, self.now) else 0
        self.problems += problems_of(device, self.now)
        self.lost += 0 if device.waiting else count(missing(device, self.now))


def lanes(now: datetime) -> list[Lane]:
    """All stations: trouble first, then those at work, then the rest. Three queries."""
    found: dict[int | None, Lane] = {}
    for row in _rows(sql.STATIONS, {}):
        key = row.pop("id")
        found[key] = Lane(now=now, seen_at=row["recorded_at"], **row)
    values = {"now": now, "since": now - AT_WORK, "refused": REFUSED}
    for row in _rows(sql.MINUTES, values):
        if lane := found.get(row["station_id"]):
            lane.add_minute(row)
    for device in Device.objects.heard_since(now - REMEMBERED).with_gaps().with_open_parent():
        if device.station_id is None:  # its page has not named a station yet
            found.setdefault(None, Lane(now=now, name=_("no station")))
        if lane := found.get(device.station_id):
            lane.add_device(device)
    return sorted(found.values(), key=_order)


def _order(lane: Lane) -> tuple:
    """By name within each kind, so that rows stay where they are."""
    number = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", lane.name)]
    return (not lane.loud, not lane.warns, not lane.at_work, lane.is_quiet, number)


def _rows(statement: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description]
        for row in cursor.fetchall():
            yield dict(zip(names, row, strict=True))


# --- What is wrong, in words ----------------------------------------------------------------------


def problems_of(device: Device, now: datetime) -> Iterator[Problem]:
    """What waits on a silent device, and what never came from it."""
    values = {"n": device.waiting, "person": device.user, "ago": ago(now, device.heard_at)}
    if device.waiting and is_silent(device, now):
        text = ngettext(
            "%(n)d scan waits unsent on a device of %(person)s, last heard %(ago)s.",
            "%(n)d scans wait unsent on a device of %(person)s, last heard %(ago)s.",
            device.waiting,
        )
        yield Problem(text % values, loud=True)
    gaps = missing(device, now)
    if gaps and device.waiting:
        text = ngettext(
            "%(n)d scan of %(person)s has not come yet: number %(numbers)s.",
            "%(n)d scans of %(person)s have not come yet: numbers %(numbers)s.",
            count(gaps),
        )
        yield Problem(text % (values | {"n": count(gaps), "numbers": spoken(gaps)}), loud=False)
    elif gaps:
        text = ngettext(
            "%(n)d scan of %(person)s never arrived: number %(numbers)s.",
            "%(n)d scans of %(person)s never arrived: numbers %(numbers)s.",
            count(gaps),
        )
        yield Problem(text % (values | {"n": count(gaps), "numbers": spoken(gaps)}), loud=True)


def is_silent(device: Device, now: datetime) -> bool:
    return now - device.heard_at > SILENT


def missing(device: Device, now: datetime) -> list[tuple[int, int]]:
    """The numbers that never came, as first and last of each run.

    Those behind the highest one that was heard may be on their way in this very moment.
    """
    settled = now - device.heard_at > SETTLED
    highest = device.heard[-1].upper - 1 if device.heard else 0
    gaps = [(gap.lower, gap.upper - 1) for gap in device.gaps]
    return gaps if settled else [gap for gap in gaps if gap[1] < highest]


def share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def count(gaps: list[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in gaps)


def spoken(gaps: list[tuple[int, int]]) -> str:
    """[(17, 19), (24, 24)] -> "17-19, 24", and no longer than a line."""
    named = [str(first) if first == last else f"{first}-{last}" for first, last in gaps]
    more = [] if len(named) <= GAPS_NAMED else ["…"]
    return ", ".join(named[:GAPS_NAMED] + more)


def ago(now: datetime, at: datetime) -> str:
    """How long ago, as short as a table needs it."""
    if now - at <= HERE:
        return _("now")
    minutes = int((now - at).total_seconds() // 60)
    if minutes < 60:
        return _("%(n)d min ago") % {"n": minutes}
    if minutes < 24 * 60:
        return _("%(n)d h ago") % {"n": minutes // 60}
    return date_format(timezone.localtime(at), "j M Y")


def bars(minutes: list[int], busiest: int) -> list[dict[str, str]]:
    """A column for each minute, 20 high for the busiest one of all stations."""
    tall = [(6 * place, 20 * scans / busiest) for place, scans in enumerate(minutes) if scans]
    return [{"x": str(x), "y": f"{20 - y:.1f}", "height": f"{y:.1f}"} for x, y in tall]


# --- The page -------------------------------------------------------------------------------------


@never_cache
@permission_required("scanning.view_board", raise_exception=True)
def board(request: HttpRequest) -> HttpResponse:
    """All stations, live."""
    return render(request, "scanning/board.html", _context())


@never_cache
@permission_required("scanning.view_board", raise_exception=True)
def board_live(request: HttpRequest) -> HttpResponse:
    """The part of the board that is fetched again and again."""
    return render(request, "scanning/_board_live.html", _context())


def _context() -> dict[str, Any]:
    now = timezone.now()
    every = lanes(now)
    total = Lane(now=now, name="")
    for name in SUMMED:
        setattr(total, name, sum(getattr(lane, name) for lane in every))
    busiest = max([1, *(max(lane.minutes) for lane in every)])
    for lane in every:
        lane.bars = bars(lane.minutes, busiest)
    return {
        "now": now,
        "lanes": [lane for lane in every if not lane.is_quiet],
        "quiet": [lane for lane in every if lane.is_quiet and lane.is_active],
        "total": total,
        "at_work": sum(lane.at_work for lane in every),
        "loud": [lane for lane in every if lane.loud],
        "open_exceptions": total.exceptions,
    }
