"""Tells in words what a calendar part says (RFC 5545, RFC 5546): what, when, where, who, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from icalendar import Calendar

from services.parser.mime import charsets
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.structure import Part
from services.parser.wrappers.cpu_limit import CpuLimitError, cpu_limit

MEDIA_TYPES = frozenset({"text/calendar", "application/ics"})
_CPU_SECONDS = 1.0
_LARGEST = 256 * 1024
_EVENTS = 5
_PEOPLE = 20
_TEXT, _DESCRIPTION = 300, 2_000
_METHODS = {
    "REQUEST": "Invitation",
    "CANCEL": "Cancelled",
    "REPLY": "Answer to an invitation",
    "COUNTER": "Other time proposed",
    "DECLINECOUNTER": "Proposed time declined",
    "ADD": "Invitation to further dates",
    "PUBLISH": "Event",
    "REFRESH": "Request for the invitation",
}
_ANSWERS = {
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "TENTATIVE": "tentatively accepted",
    "DELEGATED": "delegated",
}


def is_calendar(part: Part) -> bool:
    """Whether a part is a calendar, by its type or, where that says nothing, by its name."""
    named = part.media_type == "application/octet-stream" and part.file_name.lower().endswith(".ics")
    return named or part.media_type in MEDIA_TYPES


def invitation_text(data: bytes, parameters: Mapping[str, str]) -> str:
    """Return a calendar part in words; empty when it cannot be read in time or holds no event.

    ``parameters`` are those of the part's type: the charset, and the method for calendars that do not say it themselves.
    """
    text = charsets.decode(data[:_LARGEST], parameters.get("charset"), Diagnostics()).lstrip("\ufeff")
    try:
        with cpu_limit(_CPU_SECONDS):
            calendars = Calendar.from_ical(text, multiple=True)
            return "\n\n".join(_told(calendars, parameters.get("method", "")))
    except CpuLimitError:
        return ""
    except Exception:  # noqa: BLE001 - the library raises whatever Python raises on text that is not what it expects
        return ""


def _told(calendars: list[Any], method: str) -> Iterator[str]:
    count = 0
    for calendar in calendars:
        kind = str(calendar.get("METHOD") or method).upper()
        for event in calendar.walk():
            if event.name in ("VEVENT", "VTODO") and count < _EVENTS:
                count += 1
                yield "\n".join(line for line in _lines(event, kind) if line)


def _lines(event: Any, method: str) -> Iterator[str]:
    title = _words(event.get("SUMMARY"), _TEXT) or "(no title)"
    cancelled = str(event.get("STATUS", "")).upper() == "CANCELLED"
    yield f"{_METHODS['CANCEL'] if cancelled else _METHODS.get(method, 'Event')}: {title}"
    if when := _when(event):
        yield f"When: {when}"
    elif isinstance(due := _moment(event.get("DUE")), date):
        yield f"Due: {_day(due)}" + (
            f", {due:%H:%M} {_zone(event.get('DUE'), due)}".rstrip() if isinstance(due, datetime) else ""
        )
    if where := _words(event.get("LOCATION"), _TEXT):
        yield f"Where: {where}"
    if organizer := event.get("ORGANIZER"):
        yield f"Organizer: {_person(organizer)}"
    people = event.get("ATTENDEE") or []
    people = people if isinstance(people, list) else [people]
    if people:
        more = f" and {len(people) - _PEOPLE} more" if len(people) > _PEOPLE else ""
        yield "Who: " + ", ".join(_person(one) + _answer(one) for one in people[:_PEOPLE]) + more
    if event.get("RRULE"):
        yield "Repeats: yes"
    if description := _words(event.get("DESCRIPTION"), _DESCRIPTION):
        yield description


def _words(value: object, most: int) -> str:
    return " ".join(str(value).split())[:most] if value is not None and not isinstance(value, list) else ""


def _person(value: Any) -> str:
    address = str(value)
    address = address[len("mailto:") :] if address.lower().startswith("mailto:") else address
    name = _words(getattr(value, "params", {}).get("CN"), _TEXT)
    return f"{name} <{address[:_TEXT]}>" if name and name != address else address[:_TEXT]


def _answer(value: Any) -> str:
    answer = _ANSWERS.get(str(getattr(value, "params", {}).get("PARTSTAT", "")).upper())
    return f" ({answer})" if answer else ""


def _moment(value: Any) -> Any:
    """Return the date, time or duration that a property holds; None for one that is missing or broken."""
    try:
        return value.dt
    except (AttributeError, ValueError):
        return None


def _when(event: Any) -> str:
    start = event.get("DTSTART")
    begin, finish, lasts = (_moment(event.get(name)) for name in ("DTSTART", "DTEND", "DURATION"))
    if not isinstance(begin, date):
        return ""
    if finish is None and isinstance(lasts, timedelta):
        finish = begin + lasts
    if not isinstance(begin, datetime):
        # The end is not part of it (RFC 5545 section 3.6.1).
        days = isinstance(finish, date) and not isinstance(finish, datetime)
        last = finish - timedelta(days=1) if days else begin
        return _day(begin) + (f" to {_day(last)}" if last > begin else "")
    zone = _zone(start, begin)
    told = f"{_day(begin)}, {begin:%H:%M}"
    if isinstance(finish, datetime) and finish.tzinfo == begin.tzinfo:
        told += f"-{finish:%H:%M}" if finish.date() == begin.date() else f" to {_day(finish)}, {finish:%H:%M}"
    return f"{told} {zone}".rstrip()


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _day(moment: date) -> str:
    """Return a day in words that do not depend on the process's language."""
    return f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def _zone(value: Any, moment: datetime) -> str:
    named = _words(getattr(value, "params", {}).get("TZID"), _TEXT)
    if moment.tzinfo is None:
        return named
    offset = moment.utcoffset()
    return "UTC" if not named and not offset else named or f"UTC{moment:%z}"
