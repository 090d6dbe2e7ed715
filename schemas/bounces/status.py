"""Reads delivery status notifications (RFC 3464)."""

from __future__ import annotations

import re
from typing import NamedTuple

MEDIA_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
READ = 64 * 1024
_BLOCK = re.compile(rb"(?:\r?\n[ \t]*){2,}")
_FIELD = re.compile(rb"^([A-Za-z][A-Za-z-]{0,40})[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE)
ADDRESS = r"[^\s<>()\[\],;:\"']{1,64}@[A-Za-z0-9.-]{1,200}[A-Za-z0-9]"
SPEC = re.compile(ADDRESS)
_FINAL = frozenset({"failed", "fail", "failure", "undeliverable", "error", "expired"})
DELIVERED = frozenset({"delivered", "relayed", "expanded"})
_X400 = ("imcea", "x400", "/c=", "/o=")
CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_SAID = 1_000
_GENERIC = (".0.0", ".5.0")


class FailedRecipient(NamedTuple):
    """A recipient that was not reached."""

    address: str
    """As the notification spells it, or empty."""
    status: str
    """Enhanced status code (RFC 3463), or empty."""
    diagnostic: str
    """What the other server said."""
    final: bool
    """Whether the attempts have ended."""


class DeliveryStatus(NamedTuple):
    """What a notification says."""

    failures: list[FailedRecipient]
    actions: frozenset[str]
    reached: frozenset[str]
    """Recipients that were reached, as the notification spells them."""
    cut: bool
    """Whether it is longer than what is read of it."""


def _fields(block: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(block):
        found.setdefault(name.decode("ascii").lower(), _characters(value))
    return found


def _characters(value: bytes) -> str:
    """Decode what a server said: UTF-8, or ISO-2022-JP, which needs no label."""
    return value.decode("iso2022_jp" if b"\x1b$" in value else "utf-8", "replace")


def read_status(content: bytes) -> DeliveryStatus:
    """Return the recipients that were not reached, and every action that a notification names (RFC 3464 section 2.3)."""
    failures: list[FailedRecipient] = []
    actions: set[str] = set()
    reached: set[str] = set()
    if cut := len(content) > READ:
        content, line_end, last = content[:READ].rpartition(b"\n")
        if b"-recipient" not in last[:30].lower():  # a part of an address is another address
            content += line_end + last
    for block in _BLOCK.split(content):
        fields = _fields(block)
        action = (fields.get("action", "").split() or [""])[0].lower().strip("();,.")
        recipient = fields.get("original-recipient") or fields.get("final-recipient") or ""
        if not recipient and not action:
            continue
        status, diagnostic = fields.get("status", "").strip(), spoken(fields.get("diagnostic-code", ""))
        final = action in _FINAL or (not action and status.startswith("5"))
        actions.add("failed" if final else action)
        address = _address(recipient) or _address(fields.get("final-recipient", ""))
        if action in DELIVERED:
            reached.add(address)
        else:
            failures.append(FailedRecipient(address, code_of(status, diagnostic), diagnostic, final))
    return DeliveryStatus(failures, frozenset(actions), frozenset(reached), cut)


def _address(recipient: str) -> str:
    value = recipient.partition(";")[2] or recipient
    found = SPEC.search(value.rpartition(";")[2])
    return "" if found is None or found[0].lower().startswith(_X400) else found[0]


def spoken(diagnostic: str) -> str:
    """Return what a server said, without the type in front and on one line."""
    kind, semicolon, text = diagnostic.partition(";")
    return " ".join((text if semicolon and len(kind.split()) == 1 else diagnostic).split())


def code_of(status: str, diagnostic: str) -> str:
    """Return the enhanced status code: what the other server said is more exact than a general one, its last code than others."""
    own = CODE.search(status)
    said = [found[0] for found in CODE.finditer(diagnostic[:_SAID])]
    if own is not None and (not said or (own[0][0] != said[-1][0]) or said[-1].endswith(_GENERIC)):
        return own[0]
    return said[-1] if said else ""
