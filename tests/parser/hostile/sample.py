"""A hostile mail with the facts that are right for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from schemas.mail import Role
from tests.parser.samples import parsed

USUAL: dict[str, Any] = {
    "subject": "Offer",
    "from": ["joerg@client.example"],
    "names": ["Joerg Weber"],
    "to": ["anna@acme.example"],
    "cc": [],
    "bcc": [],
    "date": datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC),
    "message_id": "offer-1@client.example",
    "in_reply_to": None,
    "references": [],
    "text": "Hello",
    "reply": None,
    "attachments": [],
    "defects": [],
    "truncated": False,
    "bounced": None,
    "auto_reply": False,
}
"""What is read of an ordinary mail. ``reply`` None: it is the text. ``bounced`` None: it is no bounce."""


class Sample(NamedTuple):
    """A mail and its facts."""

    raw: bytes
    facts: dict[str, Any]


def sample(raw: bytes, **changed: Any) -> Sample:
    """Return a sample of which only some facts differ from the usual ones; ``from_`` stands for ``from``."""
    return Sample(raw, USUAL | {name.rstrip("_"): value for name, value in changed.items()})


def facts(raw: bytes) -> dict[str, Any]:
    """Return what is read of a mail, in the form of ``USUAL``."""
    found = parsed(raw)
    content, marks = found.content, found.content.marks
    people = {role: [one for one in content.participants if one.role is role] for role in (Role.FROM, Role.TO, Role.CC)}
    text = content.text.strip()
    return {
        "subject": content.subject,
        "from": [one.address for one in people[Role.FROM]],
        "names": [one.name for one in people[Role.FROM]],
        "to": [one.address for one in people[Role.TO]],
        "cc": [one.address for one in people[Role.CC]],
        "bcc": list(found.bcc),
        "date": content.date,
        "message_id": content.message_id,
        "in_reply_to": content.in_reply_to,
        "references": list(content.references),
        "text": text,
        "reply": None if content.reply_text.strip() == text else content.reply_text.strip(),
        "attachments": [(one.name, one.size) for one in content.attachments],
        "defects": sorted(marks.defects),
        "truncated": marks.truncated,
        "bounced": sorted(marks.bounced) if marks.bounce else None,
        "auto_reply": marks.auto_reply,
    }
