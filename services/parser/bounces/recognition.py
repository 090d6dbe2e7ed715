"""Whether a mail is a bounce, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.bounces import (
    MEDIA_TYPES,
    READ,
    RETURNED,
    BounceHeader,
    code_of,
    find_failures,
    lost_addresses,
    names_recipients,
    reason_in_words,
    transcript,
)
from schemas.header import read_addresses
from schemas.mail import Participant, Role
from services.parser.bounces.kinds import BounceKind, kind_of
from services.parser.bounces.returned import returned_mail
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.headers import Fields, first
from services.parser.mime.structure import Part, read_structure

_WRAPPED = "message/rfc822"
_READ = 2_000
"""Characters of a bounce's text in which it says why."""


class Bounce(NamedTuple):
    """What a bounce says."""

    addresses: tuple[str, ...] = ()
    """Normal addresses that could not be reached, at most 50; those of a delay are not lost."""
    kind: BounceKind | None = None
    status: str = ""
    reason: str = ""
    message_id: str | None = None
    """Of the mail that bounced."""
    references: tuple[str, ...] = ()
    """What that mail answers, oldest first."""
    named: frozenset[str] = frozenset()
    """Those whom it did not reach, now or ever, if the mail that bounced names all of them in To or Cc: they take part in the
    bounce."""
    hidden: frozenset[str] = frozenset()
    """The same people otherwise. One of them may have been in Bcc, so that only the holder of this copy may know."""
    confidential: bool = False
    """Whether it may tell of someone in Bcc: then it is in no thread, and on no page but theirs."""

    def answered(self, in_reply_to: str | None, references: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
        """Return what a mail answers and refers to. A bounce that names nothing is in the thread of the mail that bounced."""
        if self.confidential:
            return None, ()
        if in_reply_to or references or not self.message_id:
            return in_reply_to, references
        return None, (*self.references, self.message_id)


def read_bounce(
    root: Part,
    leaves: Sequence[Part],
    *,
    people: Sequence[Participant],
    subject: str,
    text: str,
    own_id: str | None,
    diagnostics: Diagnostics,
) -> Bounce | None:
    """Return what a bounce says; None for a mail that is none.

    A notification that says only ``delivered`` or ``relayed`` is none, and neither is one that a person forwards.
    """
    header = _header_of(root, people, subject)
    may_wrap = any(part.media_type == _WRAPPED for part in leaves) and header.automatic and not header.report
    if may_wrap and not lost_addresses(header.head(text), header.people):
        leaves = _wrapped_report(leaves) or leaves
    reports = [part.content(diagnostics) for part in leaves if part.media_type in MEDIA_TYPES]
    returns = any(part.media_type in RETURNED for part in leaves)
    if not reports and not names_recipients(header, returns=returns):
        return None
    above = header.head(text)
    failures = find_failures(header, above, reports, returns=returns)
    if failures is None:
        return None
    worst = next(iter(failures.recipients), None)
    dialogue = transcript(text)
    said = (worst.diagnostic if worst else "") or reason_in_words(above, failures.lost) or reason_in_words(dialogue, ())
    code = (worst.status if worst else "") or code_of("", said)
    mail = returned_mail(leaves, text, own_id)
    confidential = failures.may_name_bcc(mail.recipients) or not mail.blind <= mail.recipients
    return Bounce(
        () if failures.delayed else failures.lost,
        kind_of(code, said, subject, above[:_READ], dialogue, text=text, final=not failures.delayed),
        code,
        said[: limits.REASON],
        mail.message_id,
        mail.references,
        frozenset() if confidential else failures.about,
        failures.about if confidential else frozenset(),
        confidential,
    )


def _wrapped_report(leaves: Sequence[Part]) -> list[Part]:
    """Return the leaves of a report that a gateway attached to a mail of its own; none if there is no such thing."""
    quiet = Diagnostics()
    for part in leaves:
        if part.media_type == _WRAPPED and b"delivery-status" in part.raw[part.start : part.end].lower():
            report = read_structure(part.content(quiet)[:READ], quiet)
            return report.children if report.media_type == "multipart/report" else []
    return []


def _header_of(root: Part, people: Sequence[Participant], subject: str) -> BounceHeader:
    fields = root.fields
    returned = (first(fields, "return-path") or b"").strip().strip(b"<>").decode("latin-1")
    failed = (
        mailbox.address
        for value in fields.get("x-failed-recipients", ())
        for mailbox in read_addresses(value, limits.BOUNCED).mailboxes
    )
    return BounceHeader(
        tuple(person.address for person in people),
        tuple(person.address for person in people if person.role is Role.FROM),
        returned if "return-path" in fields else None,
        _content_type(fields),
        root.media_type == "multipart/report",
        subject,
        tuple(dict.fromkeys(failed)),
    )


def _content_type(fields: Fields) -> str:
    return (first(fields, "content-type") or b"").decode("latin-1").lower().replace('"', "").replace(" ", "")
