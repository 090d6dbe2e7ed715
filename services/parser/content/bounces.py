"""Delivery status notifications (RFC 3464) and the forms that bounces had before: is it one, and who could not be reached."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from schemas.addresses import normal_address_or_none
from schemas.mail import Participant, Role
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.headers import Fields, first
from services.parser.mime.structure import Part

_STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_READ = 64 * limits.KIB

_BLOCK = re.compile(rb"(?:\r?\n[ \t]*){2,}")
_FIELD = re.compile(rb"^([A-Za-z][A-Za-z-]{0,40})[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE)
_ADDRESS = r"[^\s<>()\[\],;:\"']{1,64}@[A-Za-z0-9.-]{1,200}[A-Za-z0-9]"
_SPEC = re.compile(_ADDRESS)
_DELIVERED = frozenset({"delivered", "relayed", "expanded"})
_FINAL = frozenset({"failed", "fail", "failure", "undeliverable", "error", "expired"})

_DAEMON = re.compile(
    r"^(?=[^@]*@)(?:mailer[-_.]?daemon|post[-_.]?master|mail[-_.]?daemon|mdaemon|mail[-_.]delivery|bounce[sd]?|[^@]*-daemon)[-_.@]",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|returned mail|delivery (?:status notification|failure|has failed|problem|error|report|warning)|failure notice|"
    r"failure delivery|mail(?:server)? (?:failed|failure|error)|nondeliver|non[- ]deliver|not (?:be |been |yet been )*delivered|"
    r"mail (?:system )?(?:delivery )?(?:failed|failure|system|error|warning)|rejected mail|unknown user|user unknown|"
    r"delayed \d+ (?:hour|day)|delayed mail|error sending your mail|processing error|unzustellbar|non remis|pas pu être|"
    r"no se pudo entregar|no se ha podido entregar|メールエラー|送信エラー|配信できません|传输失败|退信|"
    r"errors from |delivery to .{1,80} failed",
    re.IGNORECASE,
)
_COPY_BEGINS = re.compile(
    r"^[^\w\n]*+(?:[^\n]{0,60}(?:original message (?:follows|-)|copy of (?:the|your) (?:mail|message)|unsent message|headers? follow|"
    r"message is below|returned message|message text follows|headers of your message|transcript of session|"
    r"your message (?:reads|follows|begins)|undelivered message you sent)|original message[^\w\n]*$|(?:Received|Return-Path): )",
    re.IGNORECASE | re.MULTILINE,
)
_ALONE = re.compile(
    rf"^(?:[^\S\n]|[>*<\"'(-])*+({_ADDRESS})[>\"')]*(?:[^\S\n]*[:,;.](?:[^\S\n].*)?|[^\S\n].{{0,40}}|)$|[:)]\s*<?({_ADDRESS})>?[^\S\n]*$",
    re.MULTILINE,
)
"""An address that begins a line, or ends one after a label."""


def _fields(block: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(block):
        found.setdefault(name.decode("ascii").lower(), value.decode("utf-8", "replace"))
    return found


def _of_status(part: Part, diagnostics: Diagnostics) -> tuple[list[str], set[str]]:
    """Return the addresses that failed, and every action that the notification names (RFC 3464 section 2.3)."""
    failed: list[str] = []
    actions: set[str] = set()
    for block in _BLOCK.split(part.content(diagnostics)[:_READ]):
        fields = _fields(block)
        action = (fields.get("action", "").split() or [""])[0].lower().strip("();,.")
        recipient = fields.get("original-recipient") or fields.get("final-recipient") or ""
        if not recipient and not action:
            continue
        hard = action in _FINAL or (not action and fields.get("status", "").startswith("5"))
        actions.add("failed" if hard else action)
        if hard:
            for value in (recipient, fields.get("final-recipient", "")):
                if (spec := _SPEC.search(value.rpartition(";")[2])) is not None:
                    failed.append(spec[0])
                    break
    return failed, actions


def _of_text(text: str, others: Iterable[str]) -> list[str]:
    """Return the addresses that an older bounce's prose names before its copy of the mail begins.

    Those that stand alone on a line are meant; where there is none, any will do that is not one of ``others``, the
    addresses of who writes and who is written to.
    """
    head = text[:_READ]
    if (copy := _COPY_BEGINS.search(head)) is not None and copy.start() > 0:
        head = head[: copy.start()]
    known = set(others)
    alone = [found[1] or found[2] for found in _ALONE.finditer(head)]
    for specs in (alone, _SPEC.findall(head)):
        lost = [spec for spec in specs if spec.lower() not in known and not _DAEMON.match(spec)]
        if lost:
            return lost
    return []


def read_bounce(
    fields: Fields,
    leaves: Iterable[Part],
    *,
    people: Sequence[Participant],
    subject: str,
    text: str,
    diagnostics: Diagnostics,
) -> tuple[bool, tuple[str, ...]]:
    """Return whether a mail is a bounce, and the normal addresses that could not be reached, at most 50.

    A notification that says only ``delivered`` or ``relayed`` is no bounce; one of a delay is, but its addresses are not lost.
    """
    failed: list[str] = []
    actions: set[str] = set()
    reports = 0
    for part in leaves:
        if part.media_type in _STATUS:
            reports += 1
            addresses, seen = _of_status(part, diagnostics)
            failed += addresses
            actions |= seen
    if value := fields.get("x-failed-recipients"):
        failed += _SPEC.findall(b",".join(value)[:_READ].decode("utf-8", "replace"))
    senders = [person.address for person in people if person.role is Role.FROM]
    bounce = bool(failed) or (bool(reports) and not (actions and actions <= _DELIVERED))
    if not bounce and not reports:
        returned = (first(fields, "return-path") or b"").strip() == b"<>"
        if not senders or returned or any(_DAEMON.match(sender) for sender in senders):
            bounce = _SUBJECT.search(subject) is not None or "report-type=delivery-status" in _content_type(fields)
    if bounce and not failed and not actions:
        failed = _of_text(text, (person.address for person in people))
    lost = (normal_address_or_none(spec.strip(".'").removeprefix("SMTP=").removeprefix("smtp=")) for spec in failed)
    distinct = dict.fromkeys(address for address in lost if address)
    return bounce, tuple(distinct)[: limits.BOUNCED]


def _content_type(fields: Fields) -> str:
    return (first(fields, "content-type") or b"").decode("latin-1").lower().replace('"', "").replace(" ", "")
