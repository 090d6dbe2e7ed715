"""Delivery status notifications (RFC 3464) and the forms that bounces had before: is it one, and who could not be reached."""

from __future__ import annotations

import re
from collections.abc import Iterable

from schemas.addresses import normal_address_or_none
from services.parser import limits
from services.parser.findings import Findings
from services.parser.headers import Fields, first
from services.parser.structure import Part

_STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_READ = 64 * limits.KIB

_BLOCK = re.compile(rb"(?:\r?\n[ \t]*){2,}")
_FIELD = re.compile(rb"^([A-Za-z][A-Za-z-]{0,40})[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE)
_ADDRESS = r"[^\s<>()\[\],;:\"']{1,64}@[A-Za-z0-9.-]{1,200}[A-Za-z0-9]"
_SPEC = re.compile(_ADDRESS)
_FINAL = frozenset({"failed", "fail", "failure", "undeliverable", "error", "expired"})

_DAEMON = re.compile(r"^(?:mailer[-_.]?daemon|postmaster|mail[-_.]?daemon|mdaemon|maildaemon|bounce[sd]?|.*-daemon)@", re.IGNORECASE)
_SUBJECT = re.compile(
    r"undeliver|returned mail|delivery (?:status notification|failure|has failed|problem|error|report)|failure notice|"
    r"mail delivery (?:failed|failure|system)|nondeliverable|non[- ]delivery|could not be delivered|unzustellbar|"
    r"not delivered|message delivery failure|mail system error|rejected mail|non remis|n'a pas pu être|no se pudo entregar|"
    r"delivery to .{1,80} failed|mail failure|mailserver error|user unknown|unknown user|undeliverable",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"had permanent fatal errors|could not be delivered|couldn't be delivered|failed addresses follow|following address(?:es)?|"
    r"following recipient|did not reach|undeliverable|unable to deliver|not delivered|delivery.{0,40}fail|failed recipient|"
    r"unsuccessful|user unknown|unknown user|no such user|cannot be delivered|can't be delivered|mailbox unavailable|"
    r"unknown local part|not listed|invalid (?:address|recipient)|wasn't able to deliver|permanent error|mailbox.{0,20}full|"
    r"recipients? (?:of this message )?(?:was|were)|original (?:delivery )?recipient",
    re.IGNORECASE,
)
_COPY_BEGINS = re.compile(
    r"^\W*(?:.*(?:original message|copy of (?:the|your) message|unsent message|message headers? follow|message is below|"
    r"returned message|message text follows|headers of your message|your message (?:reads|follows|begins)).*|"
    r"(?:Received|Return-Path|Message-Id|Subject): .*)$",
    re.IGNORECASE | re.MULTILINE,
)


def _fields(block: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(block):
        found.setdefault(name.decode("ascii").lower(), value.decode("utf-8", "replace"))
    return found


def _of_status(part: Part, findings: Findings) -> tuple[list[str], set[str]]:
    """Return the addresses that failed, and every action that the notification names (RFC 3464 section 2.3)."""
    failed: list[str] = []
    actions: set[str] = set()
    for block in _BLOCK.split(part.content(findings)[:_READ]):
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


def _of_text(text: str) -> list[str]:
    """Return the addresses that an older bounce's prose names before its copy of the mail begins."""
    head = text[:_READ]
    begins = _AFTER.search(head)
    if begins is None:
        return []
    start = head.rfind("\n", 0, begins.start()) + 1
    copy = _COPY_BEGINS.search(head, begins.end())
    report = head[start : copy.start() if copy else len(head)]
    return [spec for spec in _SPEC.findall(report) if not _DAEMON.match(spec)]


def read_bounce(
    fields: Fields, leaves: Iterable[Part], *, senders: Iterable[str], subject: str, text: str, findings: Findings
) -> tuple[bool, tuple[str, ...]]:
    """Return whether a mail is a bounce, and the normal addresses that could not be reached, at most 50.

    A notification that says only ``delivered`` or ``relayed`` is no bounce; one of a delay is, but its addresses are not lost.

    Args:
        fields: the mail's header.
        leaves: its leaf parts.
        senders: addresses of From.
        subject: decoded.
        text: its plain text.
        findings: where defects are noted.
    """
    failed: list[str] = []
    actions: set[str] = set()
    reports = 0
    for part in leaves:
        if part.media_type in _STATUS:
            reports += 1
            addresses, seen = _of_status(part, findings)
            failed += addresses
            actions |= seen
    if value := fields.get("x-failed-recipients"):
        failed += _SPEC.findall(b",".join(value)[:_READ].decode("utf-8", "replace"))
    bounce = bool(failed) or (bool(reports) and not (actions and actions <= {"delivered", "relayed", "expanded"}))
    if not bounce and not reports:
        returned = (first(fields, "return-path") or b"").strip() == b"<>"
        if any(_DAEMON.match(sender) for sender in senders) or not senders or returned:
            bounce = _SUBJECT.search(subject) is not None or "report-type=delivery-status" in _content_type(fields)
        if bounce:
            failed = _of_text(text)
    addresses = (normal_address_or_none(spec.strip(".'")) for spec in failed)
    distinct = dict.fromkeys(address for address in addresses if address)
    return bounce, tuple(distinct)[: limits.BOUNCED]


def _content_type(fields: Fields) -> str:
    return (first(fields, "content-type") or b"").decode("latin-1").lower().replace('"', "").replace(" ", "")
