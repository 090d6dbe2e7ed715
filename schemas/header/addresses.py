"""The addresses of an address field (RFC 5322 section 3.4, RFC 6532), as mail programs show them, however malformed it is.

The poller decides by these addresses which mail concerns a record, and the parser says who takes part: both read them here.
What a display name, a quoted string or a comment claims counts only if its mailbox has no other address. Mailboxes that cannot
be read are counted, so that nothing is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

from schemas.addresses import normal_address_or_none
from schemas.header.address_specs import address_or_none, addresses_between_brackets
from schemas.header.encoded_words import WORD, word_bytes

MAX_VALUE = 128 * 1024
"""Bytes of one field that are read; a thousand recipients fit."""
PEOPLE = ("from", "sender", "x-original-sender", "x-original-from", "reply-to", "to", "cc")
"""The fields that name who takes part, in the order in which they are read until there are enough. Bcc belongs to a copy; Resent-*
fields name who passed a copy on (RFC 5322 section 3.6.6)."""
REWRITTEN = frozenset(PEOPLE[2:4])
"""Where a list that writes its own address into From says who wrote the mail. They count in a list's mail only (RFC 2919)."""
_FOLD = re.compile(rb"[\r\n]+[ \t]*")
_USUAL = re.compile(
    r'\s*+(?:(?:"([^"\\<>@\x1b\ue000-\uf8ff]*+)"\s*+|([^"<>@(),;:\\\x1b\ue000-\uf8ff]*+))'
    r"<([A-Za-z0-9._+=/-]++@[A-Za-z0-9.-]++)>|([A-Za-z0-9._+=/-]++@[A-Za-z0-9.-]++))\s*+(?:,|\Z)"
)
"""The most common forms of a mailbox in a list."""
_TOKEN = re.compile(
    r'"(?P<string>(?:[\udc80-\udcff]\\?|[^"\\]|\\.)*+)(?:"|(?P<endless>\\?\Z))'
    r"|\((?P<comment>(?:[^()\\]|\\.|\((?:[^()\\]|\\.)*+\))*+)(?:\)|(?P<unclosed>))"
    r"|<(?P<angle>[^<>]*+)>"
    r'|<(?P<open>[^<>,;"]*+)'
    r"|(?P<separator>[,;:])"
    r'|(?P<text>\x1b\$[^\x1b]*+(?:\x1b\([BJ])?|[^\x1b"(<,;:]++|.)',
    re.DOTALL,
)
"""Linear: one of its branches matches at each character, and after what is never closed its brackets are no longer looked for.

After a byte that is no UTF-8, a backslash may be the second half of a character. Between escapes there is Japanese in 7 bits.
"""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPACE_BEFORE_DOT = re.compile(r"(?<=\w)\s{1,8}\.(?=\w)")
_WIDE_AT = "\uff20"
_OPAQUE = re.compile("[\ue000-\uf8ff]")
_WITHOUT_QUOTES = str.maketrans('"\\', "  ")
_WITHOUT_BRACKETS = str.maketrans("()\\", "   ")
_FIRST_OPAQUE, _MOST_OPAQUE = 0xE000, 6400
_ASCII_BASED = re.compile(r"(?!iso-2022|utf-?7|utf-?16|utf-?32|unicode|hz)", re.IGNORECASE)


class NamedAddress(NamedTuple):
    """One mailbox."""

    name: str
    """Display name: encoded words and bytes that are no UTF-8 (as surrogates) are not decoded yet."""
    address: str
    """Normal form."""


class AddressList(NamedTuple):
    """What an address field says."""

    mailboxes: list[NamedAddress]
    unread: int
    """Mailboxes with an ``@`` of which no address can be read."""
    repaired: bool
    """Whether an address was found only by reading more into the field than its syntax says."""


def people_fields(present: Container[str]) -> list[str]:
    """Return the fields that name who takes part, of those that are present in a header."""
    return [name for name in PEOPLE if name in present and (name not in REWRITTEN or "list-id" in present)]


def unfolded(value: bytes) -> bytes:
    """Return a raw value on one line (RFC 5322 section 2.2.3), cut to what is read of it."""
    value = value[:MAX_VALUE].rstrip()
    return _FOLD.sub(b" ", value) if b"\n" in value or b"\r" in value else value


def read_addresses(value: bytes, most: int) -> AddressList:
    """Return the first ``most`` mailboxes of the raw value of an address field. Never raises."""
    text = unfolded(value).decode("utf-8", "surrogateescape").strip()
    found: list[NamedAddress] = []
    position = 0
    while len(found) < most and (usual := _USUAL.match(text, position)) is not None:
        address = normal_address_or_none(usual[3] or usual[4])
        if address is None:
            break
        found.append(NamedAddress((usual[1] or usual[2] or "").strip(), address))
        position = usual.end()
    if position == len(text) or len(found) >= most:
        return AddressList(found, 0, repaired=False)
    reader = _Reader(most - len(found))
    reader.read(text[position:])
    return AddressList((found + reader.found)[:most], reader.unread, reader.repaired)


class _Reader:
    """Reads the mailboxes of a list one by one."""

    def __init__(self, most: int, *, nested: bool = False) -> None:
        self.found: list[NamedAddress] = []
        self.unread = 0
        self.repaired = nested
        self._most = most
        self._nested = nested
        self._words: list[str] = []
        self._begin()

    def _begin(self) -> None:
        """Begin the next mailbox."""
        self._bare: list[str] = []
        """Its text outside of strings, comments and angle brackets."""
        self._prefix: list[str] = []
        """The same in front of a colon: the name of a group, most likely."""
        self._phrase: list[str] = []
        self._strings: list[str] = []
        self._comment = ""
        self._broken = False
        """Whether it has angle brackets that hold no address."""
        self._first = len(self.found)

    def read(self, text: str) -> None:
        """Read a list."""
        text = _OPAQUE.sub("\ufffd", text)
        if _WIDE_AT in text:
            text, self.repaired = text.replace(_WIDE_AT, "@"), True
        if "=?" in text:
            text = WORD.sub(self._hide, text)
        position = 0
        while (token := _TOKEN.match(text, position)) is not None and len(self.found) < self._most:
            position = token.end()
            kind = token.lastgroup
            if kind in ("endless", "unclosed"):
                # It is no string and no comment, and neither is what follows, since nobody knows where it ends.
                self.repaired, position = True, 0
                text = text[token.start() :].translate(_WITHOUT_QUOTES if kind == "endless" else _WITHOUT_BRACKETS)
            elif kind == "separator":
                self._separate(token[0])
            elif kind in ("angle", "open"):
                self._angle(token[kind], whole=kind == "angle")
            elif kind == "string":
                self._strings.append(_ESCAPED.sub(r"\1", token["string"]))
                self._phrase.append(self._strings[-1])
            elif kind == "comment":
                self._comment = self._comment or token["comment"].strip(" ()")
                self._phrase.append(f"({self._comment})")
            else:
                self._text(token[0])
        self._end()

    def _hide(self, word: re.Match[str]) -> str:
        """Put a character that means nothing in place of an encoded word: what is in it is no syntax (RFC 2047 section 5)."""
        if len(self._words) >= _MOST_OPAQUE:
            return "?"
        self._words.append(word[0])
        return chr(_FIRST_OPAQUE + len(self._words) - 1)

    def _shown(self, text: str) -> str:
        return _OPAQUE.sub(lambda mark: self._words[ord(mark[0]) - _FIRST_OPAQUE], text) if self._words else text

    def _text(self, text: str) -> None:
        if text[0] == "@" and self._strings and self._phrase[-1] is self._strings[-1]:
            self._bare.append(f'"{self._strings.pop()}"')  # a quoted local part
            self._phrase.pop()
        self._bare.append(text)
        self._phrase.append(text)

    def _separate(self, mark: str) -> None:
        if mark != ":":
            self._end()
        elif len(self.found) == self._first:
            prefix = [*self._prefix, *self._bare] if any("@" in text for text in self._bare) else self._prefix
            self._begin()
            self._prefix = prefix

    def _angle(self, text: str, *, whole: bool) -> None:
        found = list(addresses_between_brackets(text))
        if not found:
            self._broken = self._broken or "@" in text
            self.repaired = self.repaired or not whole
            return
        self.repaired = self.repaired or not whole or len(found) > 1 or len(self.found) > self._first
        name = "".join(self._phrase).strip()
        self._add(found, self._comment if name == f"({self._comment})" else name)
        self._bare, self._phrase, self._strings = [], [], []

    def _end(self) -> None:
        """End a mailbox."""
        named, bare = len(self.found) > self._first, "".join(self._bare)
        if not named and not self._broken and not bare.strip(" <>"):
            bare = "".join(self._prefix)
        if "@" in bare and not self._broken:
            self._words_of(bare)
        elif not named and not self._broken and not self._nested:
            self._inside(bare)
        if len(self.found) == self._first:
            self.unread += self._broken or "@" in bare
        elif self._comment and not self.found[self._first].name:
            self.found[self._first] = self.found[self._first]._replace(name=self._shown(self._comment))
        self._begin()

    def _words_of(self, bare: str) -> None:
        """Read a mailbox without angle brackets: an address, with or without a name beside it, or several addresses."""
        if bare.count("@") == 1:
            bare = _SPACE_BEFORE_DOT.sub(".", "@".join(part.strip() for part in bare.split("@")))
        words = bare.split()
        found = [address for word in words if "@" in word and (address := address_or_none(word))]
        self.repaired = self.repaired or len(words) > 1 or len(self.found) > self._first
        self.unread += bool(found) and len(found) < sum("@" in word for word in words)
        name = [*self._strings, *(word for word in words if "@" not in word)] if len(found) == 1 else []
        self._add(found, " ".join(name))

    def _inside(self, bare: str) -> None:
        """Read what a mailbox has in a quoted string or in encoded words, where it has nothing else."""
        inner = "".join(self._strings) + "".join(map(self._decoded, _OPAQUE.findall(bare)))
        if "@" in inner:
            reader = _Reader(self._most - len(self.found), nested=True)
            reader.read(inner)
            self.found += reader.found
            self.unread += reader.unread
            self.repaired = True

    def _decoded(self, mark: str) -> str:
        word = WORD.match(self._words[ord(mark) - _FIRST_OPAQUE])
        if word is None or not _ASCII_BASED.match(word[1]):
            return ""
        return word_bytes(word)[0].decode("ascii", "surrogateescape")

    def _add(self, addresses: list[str], name: str) -> None:
        name = " ".join(self._shown(name).split())
        self.found += [NamedAddress("" if name.lower() == address else name, address) for address in addresses]
