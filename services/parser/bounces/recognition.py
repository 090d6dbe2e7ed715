"""Whether a mail is a bounce, and what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from schemas.addresses import normal_address_or_none
from schemas.header import read_addresses
from schemas.mail import Participant, Role
from services.parser.bounces import prose, status
from services.parser.bounces.kinds import BounceKind, kind_of
from services.parser.bounces.returned import returned_mail
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.headers import Fields, first
from services.parser.mime.structure import Part, read_structure

_SUBJECT = re.compile(
    r"undeliver|returned mail|delivery (?:status notification|failure|has failed|problem|error|report|warning)|failure notice|"
    r"failure delivery|mail(?:server)? (?:failed|failure|error)|nondeliver|non[- ]deliver|not (?:be |been |yet been )*delivered|"
    r"mail (?:system )?(?:delivery )?(?:failed|failure|system|error|warning)|rejected mail|unknown user|user unknown|"
    r"delayed \d+ (?:hour|day)|delayed mail|error sending your mail|processing error|unzustellbar|non remis|pas pu être|"
    r"no se pudo entregar|no se ha podido entregar|メールエラー|送信エラー|配信できません|传输失败|退信|"
    r"errors from |delivery to .{1,80} failed",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"delay|still (?:being )?(?:retr|queued|trying)|not yet been|warning: (?:could|message)|will (?:be |keep )?(?:retr|try)",
    re.IGNORECASE,
)


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
    """Addresses that the header says and the mail that bounced names in To or Cc: they take part in the bounce."""
    hidden: frozenset[str] = frozenset()
    """Other addresses that the header says. They may have been in Bcc, so that only the holder of this copy may know."""

    def thread(self, in_reply_to: str | None, references: tuple[str, ...]) -> tuple[str, ...]:
        """Return what a mail refers to. A bounce that names nothing is in the thread of the mail that bounced."""
        if in_reply_to or references or not self.message_id:
            return references
        return (*self.references, self.message_id)


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
    failures: list[status.FailedRecipient] = []
    actions: set[str] = set()
    automatic = _is_automatic(root.fields, people)
    is_report = root.media_type == "multipart/report"
    above = prose.head(text) if automatic or is_report or "x-failed-recipients" in root.fields else ""
    known = [person.address for person in people]
    if automatic and not is_report and not prose.lost_addresses(above, known):
        leaves = _wrapped_report(leaves) or leaves
    reports = [part for part in leaves if part.media_type in status.MEDIA_TYPES]
    if not is_report and not automatic:
        reports = []
    for part in reports:
        notification = status.read_status(part.content(diagnostics))
        failures += notification.failures
        actions |= notification.actions
    final = [one for one in failures if one.final]
    failed = [one.address for one in final if one.address]
    headed = dict.fromkeys(
        mailbox.address
        for value in root.fields.get("x-failed-recipients", ())
        for mailbox in read_addresses(value, limits.BOUNCED).mailboxes
    )
    failed += headed
    if not failed and not (reports and not (actions and actions <= status.DELIVERED)):
        if reports or not automatic:
            return None
        if not (_SUBJECT.search(subject) or "report-type=delivery-status" in _content_type(root.fields)) and not (
            _is_daemon(people) and prose.FAILED.search(above[:_READ])
        ):
            return None
    delayed = bool(actions) and not final
    if not failed and not actions:
        failed = prose.lost_addresses(above, known)
        delayed = _DELAYED.search(subject) is not None or prose.POSTPONED.search(above[:_READ]) is not None
    worst = next(iter(final or failures), None)
    said = (worst.diagnostic if worst else "") or prose.said(above, failed)
    code = (worst.status if worst else "") or status.code_of("", said)
    lost = (normal_address_or_none(spec.strip(".'").removeprefix("SMTP=").removeprefix("smtp=")) for spec in failed)
    distinct = dict.fromkeys(address for address in lost if address)
    addresses = () if delayed else tuple(distinct)[: limits.BOUNCED]
    mail = returned_mail(leaves, text, own_id)
    return Bounce(
        addresses,
        kind_of(code, said, subject, above[:_READ], text=text, final=not delayed),
        code,
        said[: limits.REASON],
        mail.message_id,
        mail.references,
        mail.recipients.intersection(headed),
        frozenset(headed).difference(mail.recipients),
    )


def _wrapped_report(leaves: Sequence[Part]) -> list[Part]:
    """Return the leaves of a report that a gateway attached to a mail of its own; none if there is no such thing."""
    quiet = Diagnostics()
    for part in leaves:
        if part.media_type == "message/rfc822" and b"delivery-status" in part.raw[part.start : part.end]:
            report = read_structure(part.content(quiet)[: status.READ], quiet)
            return report.children if report.media_type == "multipart/report" else []
    return []


def _is_automatic(fields: Fields, people: Sequence[Participant]) -> bool:
    """Whether a mail system wrote it: nobody, a daemon, or whoever wants no answer (RFC 3834 section 3.3)."""
    returned = (first(fields, "return-path") or b"").strip().strip(b"<>").decode("latin-1")
    nobody = "return-path" in fields and not returned
    no_sender = not any(person.role is Role.FROM for person in people)
    return no_sender or nobody or _is_daemon(people) or prose.DAEMON.match(f"{returned}@") is not None


def _is_daemon(people: Sequence[Participant]) -> bool:
    return any(person.role is Role.FROM and prose.DAEMON.match(person.address) for person in people)


def _content_type(fields: Fields) -> str:
    return (first(fields, "content-type") or b"").decode("latin-1").lower().replace('"', "").replace(" ", "")
