"""Content-Type and Content-Disposition: a word and its parameters (RFC 2045 section 5.1, RFC 2183, RFC 2231)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from services.parser.mime import charsets, limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.encoded_words import decode_words

_PARAMETER = re.compile(r';\s*([^\s=;"]{1,80})\s*=\s*(?:"((?:[^"\\]|\\.)*+)"?|([^;]*))', re.DOTALL)
_NO_SEMICOLON = re.compile(r"([a-zA-Z]{1,40}/[\w.+-]{1,80}|attachment|inline)[ \t]+(?=[\w*-]{1,40}=)", re.IGNORECASE)
"""Before parameters: some programs leave it out."""
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*+"?)|\([^()]*\)', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')
_CONTINUED = re.compile(r"([^*]+)\*(?:(\d{1,3})(\*)?)?")
_CACHED = 500
"""Characters of a value that is kept; the cache must not fill with fields of 128 KiB."""
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+*-]{1,80}/[a-z0-9!#$&^_.+*-]{1,120}")


class Parametrised(NamedTuple):
    """A word and its parameters."""

    word: str
    """Lower case."""
    parameters: dict[str, str]
    """Decoded values by lower-case name."""


def parse(value: str) -> Parametrised:
    """Return the word and the parameters of a field on one line. Of a parameter given twice the first counts."""
    return _parse(value) if len(value) <= _CACHED else _parse.__wrapped__(value)


@lru_cache(maxsize=2048)
def _parse(value: str) -> Parametrised:
    if (joined := _NO_SEMICOLON.match(value)) is not None:
        value = f"{joined[1]};{value[joined.end() :]}"
    word, _, rest = value.partition(";")
    if not rest:
        return Parametrised(_COMMENT.sub("", word).strip().lower(), {})
    if "(" in value:
        value = _COMMENT.sub(lambda found: found[1] or "", value)
        word = value.partition(";")[0]
    plain: dict[str, str] = {}
    segments: dict[str, dict[int, tuple[str, bool]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(value)):
        if count >= limits.PARAMETERS:
            break
        name, quoted, token = found.groups()
        text = _ESCAPED.sub(r"\1", quoted) if quoted is not None else token.strip()
        name = name.lower()
        continued = _CONTINUED.fullmatch(name) if "*" in name else None
        if continued is None:
            plain.setdefault(name, text)
        else:
            base, index, star = continued.groups()
            segments.setdefault(base, {}).setdefault(int(index or 0), (text, index is None or star is not None))
    parameters = {name: _decoded(text) for name, text in plain.items()}
    parameters.update({name: _joined(found) for name, found in segments.items()})
    return Parametrised(word.strip().lower(), parameters)


def _decoded(text: str) -> str:
    """Decode encoded words, which RFC 2047 section 5 forbids here and half of all mailers write."""
    return decode_words(text, Diagnostics()) if "=?" in text else text


def _joined(segments: dict[int, tuple[str, bool]]) -> str:
    """Join the segments of an RFC 2231 value; percent-encoded ones are in the charset that the first one names."""
    data, charset = b"", ""
    for index in sorted(segments):
        text, encoded = segments[index]
        if encoded and index == min(segments) and text.count("'") > 1:
            charset, _, text = text.split("'", 2)
        data += unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace")
    text = charsets.decode(data, charset or "utf-8", Diagnostics())
    return _decoded(text)


def media_type(word: str, default: str, *, is_file: bool = False) -> str:
    """Return ``type/subtype``; what is missing is the default.

    What is no media type is ``text/plain`` (RFC 2045 section 5.2), but for files, of which it says that they are something else.
    """
    if not word:
        return default
    if _MEDIA_TYPE.fullmatch(word):
        return word
    if is_file and word not in ("text", "html"):
        return "application/octet-stream"
    return "text/html" if word == "html" else "text/plain"
