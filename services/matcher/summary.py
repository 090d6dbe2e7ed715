"""The line of an email in the bounded summary that a lead's or contact's own document carries."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from schemas.emails import Match
from schemas.mail import Content, Role
from schemas.records import SummaryLine

_WRITERS = (Role.FROM, Role.SENDER)


def direction(content: Content, matches: Iterable[Match], own: Collection[str]) -> Literal["in", "out"]:
    """Return ``in`` when the record wrote the email.

    In a thread link the record is not named: a mail that none of ours wrote is then taken as the record's, from an
    address that the CRM does not know.

    Args:
        content: the email.
        matches: why it is on the record.
        own: those of its addresses that belong to connected accounts.
    """
    reasons = tuple(matches)
    if any(match.role in _WRITERS for match in reasons):
        return "in"
    if any(match.role is not Role.THREAD for match in reasons):
        return "out"
    authors = [participant.address for participant in content.participants if participant.role is Role.FROM]
    return "in" if authors and not any(author in own for author in authors) else "out"


def summary_line(content: Content, matches: Iterable[Match], own: Collection[str]) -> SummaryLine:
    """Return the email's line on a record."""
    senders = [participant for participant in content.participants if participant.role is Role.FROM]
    return SummaryLine(
        email=content.key,
        sent_at=content.sent_at,
        subject=content.subject,
        snippet=content.snippet,
        direction=direction(content, matches, own),
        sender=senders[0].name or senders[0].address if senders else "",
    )
