"""Looks for readable traces of mail in whatever a deployment keeps or says: in every form in which bytes may hide a text.

A canary is a word that occurs nowhere else. What is searched is searched as it is, in lower case, without white space (folded headers,
lines of base64) and without the soft line breaks of quoted-printable.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote

ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "blake2b")
_HEX = 16
"""Digits of a digest that are enough to know it by: whoever keeps one cut off keeps its start."""
_RAW = 8
_AROUND = 24
_BLANK = re.compile(rb"\s+")
_SOFT = re.compile(rb"=[ \t]*\r?\n")


class Trace(NamedTuple):
    """A trace that was found."""

    where: str
    canary: str
    form: str
    around: bytes

    def __str__(self) -> str:
        return f"{self.canary} ({self.form}) in {self.where}: {self.around!r}"


def new_canary() -> str:
    """Return a word that occurs nowhere else; it has no letter twice in a row, so that no form of it is a form of another."""
    letters = string.ascii_lowercase
    return "q" + "".join(secrets.choice(letters if place % 2 else string.digits) for place in range(13)) + "x"


def base64_cores(text: bytes) -> Iterator[bytes]:
    """Iterate over the base64 of ``text`` that does not depend on its surroundings: one for each of three alignments."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + text)
        start = (before * 8 + 5) // 6
        end = (before + len(text)) * 8 // 6
        yield coded[start:end]


def forms(word: str) -> dict[bytes, str]:
    """Return every readable form of a word, with the name of the form."""
    found: dict[bytes, str] = {}
    for cased in {word, word.lower(), word.upper(), word.capitalize()}:
        text = cased.encode()
        found.setdefault(text, "plain")
        for core in base64_cores(text):
            found.setdefault(core, "base64")
            found.setdefault(core.replace(b"+", b"-").replace(b"/", b"_"), "base64url")
        for wide in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
            found.setdefault(cased.encode(wide), wide)
        for core in base64_cores(cased.encode("utf-16-be")):
            found.setdefault(core, "base64 of utf-16")
        hexed = text.hex()
        for digits in (hexed, hexed.upper()):
            pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
            found.setdefault(digits.encode(), "hex")
            found.setdefault("".join(f"={pair}" for pair in pairs).encode(), "quoted-printable")
            found.setdefault("".join(f"%{pair}" for pair in pairs).encode(), "percent")
            found.setdefault("".join(f"\\x{pair}" for pair in pairs).encode(), "escaped")
            found.setdefault("".join(f"\\u00{pair}" for pair in pairs).encode(), "escaped")
        found.setdefault(quote(cased).encode(), "percent")
        found.setdefault(text[::-1], "reversed")
    return found


def digests(value: str) -> dict[bytes, str]:
    """Return the unkeyed hashes of ``value``, by every usual algorithm and spelling."""
    found: dict[bytes, str] = {}
    bare = value.strip("<>")
    for text in {value, value.lower(), bare, bare.lower(), f"<{bare}>"}:
        raw = text.encode()
        recipes: dict[str, bytes] = {name: hashlib.new(name, raw).digest() for name in ALGORITHMS}
        # The ledger's own recipe, as it would be without a key or with an empty one.
        for tag in (b"address\0", b"thread\0"):
            recipes[f"sha256 of {tag!r}"] = hashlib.sha256(tag + raw).digest()
            recipes[f"hmac of {tag!r} without a key"] = hmac.digest(b"", tag + raw, "sha256")
        for name, digest in recipes.items():
            found[digest[:_RAW]] = f"{name}, raw"
            found[digest.hex()[:_HEX].encode()] = f"{name}, hex"
            found[digest.hex()[:_HEX].upper().encode()] = f"{name}, hex"
            core = base64.b64encode(digest)[: _RAW * 8 // 6]
            found[core] = f"{name}, base64"
            found[core.replace(b"+", b"-").replace(b"/", b"_")] = f"{name}, base64"
        found[b"%08x" % binascii.crc32(raw) * 2] = "crc32"  # a checksum alone is too short to rule out chance
    return found


class Traces:
    """Searches for words in every form, and for hashes of values that contain them."""

    def __init__(self, words: Iterable[str], hashed: Iterable[str] = ()) -> None:
        """``hashed`` are whole values, such as addresses and Message-IDs."""
        self._needles: list[tuple[bytes, str, str]] = [
            (needle, word, form) for word in words for needle, form in forms(word).items()
        ]
        self._needles += [(needle, value, form) for value in hashed for needle, form in digests(value).items()]

    def of(self, where: str, content: bytes) -> list[Trace]:
        """Return every trace in some bytes; of each form the first."""
        views = {content, content.lower(), _BLANK.sub(b"", content), _SOFT.sub(b"", content)}
        found: dict[tuple[str, str], Trace] = {}
        for view in views:
            for needle, canary, form in self._needles:
                if (at := view.find(needle)) >= 0:
                    around = view[max(0, at - _AROUND) : at + len(needle) + _AROUND]
                    found.setdefault((canary, form), Trace(where, canary, form, around))
        return list(found.values())

    def among(self, places: Iterable[tuple[str, bytes]], limit: int = 20) -> list[Trace]:
        """Return the traces in many places, at most ``limit``."""
        found: list[Trace] = []
        for where, content in places:
            found += self.of(where, content)
            if len(found) >= limit:
                break
        return found[:limit]


def gathered(places: Iterable[tuple[str, bytes]], size: int = 4 * 1024 * 1024) -> Iterator[tuple[str, bytes]]:
    """Join the small contents of one place, so that a search costs one pass over the bytes and not a call per document."""
    parts: list[bytes] = []
    place, total = "", 0
    for where, content in places:
        if parts and (where != place or total > size):
            yield place, b"\0".join(parts)
            parts, total = [], 0
        place = where
        parts.append(content)
        total += len(content)
    if parts:
        yield place, b"\0".join(parts)
