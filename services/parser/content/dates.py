"""The Date field: mail-parser's reading of RFC 5322, then the standard library's more forgiving one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz

from mailparser.dates import parse_mail_date

from services.parser.mime.diagnostics import Diagnostics

_LONGEST = 200
_DAY_OF_WEEK = re.compile(r"^[^\W\d]+\.?,\s*")
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
"""Mail is not older; 1970 is what a clock says that was never set."""
LATENESS = timedelta(days=2)
"""A date may be this much after the server received the mail: clocks and time zones are wrong by so much."""


def parse_date(value: str, diagnostics: Diagnostics) -> datetime | None:
    """Return the moment that a Date field names in UTC, whole seconds, or None when it cannot be read."""
    text = value[:_LONGEST].strip()
    if not text:
        return None
    date: datetime | None = parse_mail_date(text).value
    if date is None:
        diagnostics.defect("date")
        date = _forgiving(text)
    return date


def _forgiving(text: str) -> datetime | None:
    try:
        fields = parsedate_tz(text) or parsedate_tz(_DAY_OF_WEEK.sub("", text))
        if fields is not None:
            return datetime(*fields[:6], tzinfo=UTC) - timedelta(seconds=fields[9] or 0)
        iso = datetime.fromisoformat(text)
        return (iso if iso.tzinfo else iso.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def believable(date: datetime | None, internal_date: datetime) -> bool:
    """Whether mail may be sorted by this date: between 1971 and two days after the server received it."""
    return date is not None and EARLIEST <= date <= internal_date + LATENESS
