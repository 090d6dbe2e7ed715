"""Counts, times, addresses and details, as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import idna
import orjson

MOST_NAMES = 4
"""How many people or addresses a line names."""


def plural(count: int, singular: str, more: str | None = None) -> str:
    """Return ``1 email``, ``1,234 emails``."""
    return f"{count:,} {singular if count == 1 else more or singular + 's'}"


def span(length: float) -> str:
    """Return a number of seconds in its largest unit."""
    seconds = max(0, int(length))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def age(since: datetime | None) -> str:
    """Return how long ago a moment was, in its largest unit."""
    return "-" if since is None else span((datetime.now(UTC) - since).total_seconds())


def sentence(text: str) -> str:
    """Return an error's text as a sentence. An address that it begins with stays as it is."""
    first, rest = text[:1], text[1:].rstrip(".")
    return f"{first if '@' in text.split(maxsplit=1)[0] else first.upper()}{rest}."


def day(moment: datetime) -> str:
    """Return a date as ``3 March 2021``, which reads the same on both sides of the Atlantic."""
    return f"{moment.day} {moment:%B %Y}"


def readable(address: str) -> str:
    """Return an address or a domain with the domain as people write it (U-labels, RFC 5890)."""
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{idna.decode(domain)}"
    except idna.IDNAError:
        return address


def audit_details(details: Mapping[str, Any]) -> str:
    """Return what an entry of the audit log says beside who, what and when."""
    given = {name: value for name, value in details.items() if value is not None}
    return ", ".join(f"{name} {_detail(value)}" for name, value in given.items())


def _detail(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
