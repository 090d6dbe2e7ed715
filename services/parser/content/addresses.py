"""Who a mail names, in which role: exact addr-specs only (CVE-2023-27043), never a guess.

mail-parser decides where one mailbox ends and the next begins; display names are decoded here, after that decision, so
that what an encoded word says can never become structure (RFC 2047 section 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from mailparser.utils import get_addresses

from schemas.addresses import normal_address_or_none
from schemas.mail import Participant, Role
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.encoded_words import WORD, decode_words
from services.parser.mime.headers import Fields, one_line, raw_text, unfolded

ROLES = (
    ("from", Role.FROM),
    ("sender", Role.SENDER),
    ("reply-to", Role.REPLY_TO),
    ("to", Role.TO),
    ("cc", Role.CC),
)
"""Resent-* fields are left out: they name who passed a copy on (RFC 5322 section 3.6.6)."""

_RANK = {role: rank for rank, (_, role) in enumerate(ROLES)}
_PRIVATE_USE = re.compile("[\ue000-\uf8ff]")
_FIRST_PRIVATE = 0xE000
_WORDS = 6400
_QUOTED_OR_SEMICOLON = re.compile(r'("(?:[^"\\]|\\.)*+("?))|;', re.DOTALL)
_QUOTED_LOCAL = re.compile(r'"([^"\\\s]+)"(@.+)')
_PLAIN = re.compile(r"\s*(?:([A-Za-z0-9][A-Za-z0-9 '_-]*)<)?([A-Za-z0-9._+-]+@[A-Za-z0-9.-]+)(>?)\s*")
"""Linear where it is only matched at the start of a value: no two repeats in a row take the same character, but for a name."""
_CACHED = 500
"""Characters of a value that is kept; the cache must not fill with fields of 128 KiB."""


@lru_cache(maxsize=4096)
def _plain(value: str) -> tuple[str, str] | None:
    """Return name and address of the most common form, ``Name <local@domain>`` with nothing in it that has a meaning."""
    found = _PLAIN.fullmatch(value)
    if found is None or bool(found[3]) != ("<" in value):
        return None
    return (found[1] or "").rstrip(), found[2]


def mailboxes(value: str, diagnostics: Diagnostics) -> list[tuple[str, str]]:
    """Return (display name, normal address) of each mailbox of one address field.

    ``value`` is on one line, with its encoded words not yet decoded.
    """
    if len(value) <= _CACHED and (simple := _plain(value)) is not None:
        address = normal_address_or_none(simple[1])
        return [(simple[0], address)] if address else []
    words: list[str] = []

    def opaque(word: re.Match[str]) -> str:
        words.append(word[0])
        return chr(_FIRST_PRIVATE + len(words) - 1) if len(words) <= _WORDS else "?"

    text = _PRIVATE_USE.sub("\ufffd", value)
    if "=?" in text:
        text = WORD.sub(opaque, text)
    if ";" in text and ":" not in text:
        # Outlook separates by semicolons; in a group (RFC 5322 section 3.4) they have their own meaning.
        text = _QUOTED_OR_SEMICOLON.sub(_with_comma, text)
    found: list[tuple[str, str]] = []
    for name, spec in get_addresses(text):
        if not spec:
            continue
        quoted = _QUOTED_LOCAL.fullmatch(spec)
        address = normal_address_or_none(quoted[1] + quoted[2] if quoted else spec)
        if address is None or _PRIVATE_USE.search(address):
            diagnostics.defect("address")
            continue
        if words:
            name = _PRIVATE_USE.sub(lambda mark: words[ord(mark[0]) - _FIRST_PRIVATE], name)  # noqa: PLW2901
            name = decode_words(name, diagnostics)  # noqa: PLW2901
        found.append(("" if name == spec else one_line(name, limits.NAME), address))
    return found


def _with_comma(found: re.Match[str]) -> str:
    """Keep the semicolons of a quoted string; a quote that never ends is no string."""
    return found[0] if found[2] else found[0].replace(";", ",")


def of_field(fields: Fields, name: str, diagnostics: Diagnostics, hint: str | None) -> list[tuple[str, str]]:
    """Return (display name, normal address) of every occurrence of an address field, in order."""
    found: list[tuple[str, str]] = []
    for value in fields.get(name, ()):
        if len(value) > limits.HEADER_VALUE:
            diagnostics.cut()
        found += mailboxes(raw_text(unfolded(value), diagnostics, hint), diagnostics)
        if len(found) >= limits.RECIPIENTS:
            break
    return found


def participants(fields: Fields, diagnostics: Diagnostics, hint: str | None) -> tuple[Participant, ...]:
    """Return the people that the header names, each address once per role, at most 1,000, without Bcc.

    Within a role they are sorted by address: copies may list them in another order, and no copy's own order is shown.
    """
    people: dict[tuple[str, Role], Participant] = {}
    for name, role in ROLES:
        for display, address in of_field(fields, name, diagnostics, hint):
            known = people.get((address, role))
            if known is None or (display and not known.name):
                people[address, role] = Participant(address=address, name=display, role=role)
    if len(people) > limits.RECIPIENTS:
        diagnostics.cut()
    kept = list(people.values())[: limits.RECIPIENTS]
    return tuple(sorted(kept, key=lambda person: (_RANK[person.role], person.address)))


def bcc(fields: Fields, diagnostics: Diagnostics, hint: str | None) -> tuple[str, ...]:
    """Return the addresses of the Bcc field, each once, at most 1,000."""
    return _distinct(address for _, address in of_field(fields, "bcc", diagnostics, hint))[: limits.RECIPIENTS]


def in_role(people: Iterable[Participant], role: Role) -> tuple[str, ...]:
    """Return the addresses in a role, each once."""
    return _distinct(person.address for person in people if person.role is role)


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
