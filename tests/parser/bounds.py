"""The limits that the contract promises of a mail's content."""

from __future__ import annotations

from schemas.mail import Content
from services.parser.mime import limits


def is_bounded(found: Content) -> bool:
    """Whether content keeps every limit that the contract promises."""
    return (
        len(found.subject) <= limits.SUBJECT
        and len(found.text.encode()) <= limits.TEXT_BYTES
        and len((found.html or "").encode()) <= limits.HTML_BYTES
        and len(found.snippet) <= limits.SNIPPET
        and len(found.participants) <= limits.RECIPIENTS
        and len(found.references) <= limits.REFERENCES
        and len(found.attachments) <= limits.ATTACHMENTS
        and len(found.marks.defects) <= limits.DEFECTS
        and len(found.marks.bounced) <= limits.BOUNCED
        and all(len(person.name) <= limits.NAME for person in found.participants)
        and all(0 < len(each.name) <= limits.NAME for each in found.attachments)
        and not any(mark in found.subject + found.snippet for mark in "\r\n\x00")
    )
