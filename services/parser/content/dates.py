"""The Date field: mail-parser's reading of RFC 5322, then a forgiving one that knows zones and months by their names."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

from mailparser.dates import parse_mail_date

from services.parser.content.date_words import AMBIGUOUS, ZONES, month_of
from services.parser.mime.diagnostics import Diagnostics

_LONGEST = 200
_DIGITS = "0123456789"
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
"""Mail is not older; 1970 is what a clock says that was never set."""
LATENESS = timedelta(days=2)
"""A date may be this much after the server received the mail: clocks and time zones are wrong by so much."""
_NAMED_ZONE = re.compile(r"(?<=[0-9 ])([A-Za-z]{2,10})\s*(?:\([^()]*\)\s*)?\Z")
_TIME = re.compile(r"(?<!\d)(\d\d?):(\d\d?)(?::(\d\d?)(?:[.,]\d{1,9})?)?(?!\d)(?:\s?([ap])\.?m\b\.?)?", re.IGNORECASE)
_OTHER_TIME = re.compile(r"(?<!\d)(\d\d?)[.h](\d\d)(?:[.m](\d\d))?(?![\d.])(\Z)?", re.IGNORECASE)
_OFFSET = re.compile(r"(?:GMT|UTC|UT|Z)?\s?([+-])(\d\d?):?(\d\d)?(?!\d)", re.IGNORECASE)
_WITHOUT_SIGN = re.compile(r"\s?(0\d)(\d\d)(?!\d)")
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d+")
_CENTURY = 50
"""Two digits of a year from here on are of the last century (RFC 5322 section 4.3)."""
_MONTHS, _DAYS = 12, 31


def parse_date(value: str, diagnostics: Diagnostics) -> datetime | None:
    """Return the moment that a Date field names in UTC, whole seconds, or None when it cannot be read.

    A zone that no standard names and an order of day and month that is not certain are noted as guessed.
    """
    text = value[:_LONGEST].strip()
    if not text:
        return None
    date: datetime | None = parse_mail_date(text).value
    named = None if text[-1] in _DIGITS else _NAMED_ZONE.search(text)
    if date is not None and (named is None or not _is_foreign(named[1])):
        return date
    found = _forgiving(text)
    diagnostics.defect("date", "" if found is None or found[1] else "guessed")
    return found and found[0]


def _is_foreign(zone: str) -> bool:
    """Whether RFC 5322 does not know the name of a zone."""
    return zone.upper() not in ("UT", "GMT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT")


def _forgiving(text: str) -> tuple[datetime, bool] | None:
    """Return the moment, and whether it is certain."""
    text = unicodedata.normalize("NFKC", text)
    time = _TIME.search(text) or next(iter([*_OTHER_TIME.finditer(text)][-1:]), None)
    if time is None:
        return None
    tail = text[time.end() :]
    offset, zone_is_sure = _offset(tail)
    day = _day(text[: time.start()] + " " + _WITHOUT_SIGN.sub(" ", _OFFSET.sub(" ", tail)))
    if day is None:
        return None
    year, month, number, day_is_sure = day
    hour = int(time[1])
    if time[4]:
        hour = hour % 12 + (12 if time[4] in "pP" else 0)
    try:
        zone = timezone(timedelta(minutes=offset))
        moment = datetime(year, month, number, hour, int(time[2]), min(int(time[3] or 0), 59), tzinfo=zone)
        return moment.astimezone(UTC), zone_is_sure and day_is_sure
    except (ValueError, OverflowError):
        return None


def _offset(tail: str) -> tuple[int, bool]:
    """Return the minutes east of Greenwich that follow a time, and whether they are certain."""
    if (found := _OFFSET.search(tail)) is not None:
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        return (-minutes if found[1] == "-" else minutes), True
    if (found := _WITHOUT_SIGN.match(tail)) is not None:
        return int(found[1]) * 60 + int(found[2]), False
    words = [word.upper() for word in _WORD.findall(tail)]
    if words[-1:] == ["TIME"]:
        words.append("".join(word[0] for word in words))  # Central European Summer Time
    for word in words:
        if word in ZONES:
            return ZONES[word], word not in AMBIGUOUS
    return 0, False


def _day(text: str) -> tuple[int, int, int, bool] | None:
    """Return year, month and day, and whether their order is certain."""
    numbers = _NUMBER.findall(text)[:3]
    months = [month for word in _WORD.findall(text) if (month := month_of(word))]
    if months and len(numbers) > 1:  # the last one: the name of a day may look like that of a month
        first, second = numbers[:2]
        year, day = (first, second) if int(first) > _DAYS else (second, first)
        return _year(year), months[-1], int(day), True
    if len(numbers) < 3:  # noqa: PLR2004 - year, month, day
        return None
    one, two, three = numbers
    if len(one) > 2:  # noqa: PLR2004 - ISO 8601, East Asia
        return _year(one), int(two), int(three), True
    day_first = int(one) > _MONTHS or (int(two) <= _MONTHS and "/" not in text)
    day, month = (one, two) if day_first else (two, one)
    return _year(three), int(month), int(day), one == two or "/" not in text or max(int(one), int(two)) > _MONTHS


def _year(text: str) -> int:
    """Return a year; of two digits as RFC 5322 section 4.3 reads them."""
    year = int(text)
    return year + (2000 if year < _CENTURY else 1900) if len(text) < 3 else year  # noqa: PLR2004


def believable(date: datetime | None, internal_date: datetime) -> bool:
    """Whether mail may be sorted by this date: between 1971 and two days after the server received it."""
    return date is not None and EARLIEST <= date <= internal_date + LATENESS
