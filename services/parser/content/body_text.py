"""The text and the HTML of a mail from the parts that were selected for them."""

from __future__ import annotations

import html as html_escapes
import re

from services.parser.content.body_selection import Selection
from services.parser.content.plaintext import clean_text, html_to_text, unflow
from services.parser.mime import charsets, limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.structure import Part

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_META_WITHIN = 2048
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_NUL = re.compile("\x00")
_LONGEST_STUB = 400
"""Characters of a plain text that only says that its reader should look at the HTML."""
_OF_STUBS = re.compile(r"html|browser|\bmime\b|navegador|navigateur|webversion", re.IGNORECASE)
_NEW_LINE = re.compile(r"\n(?![a-zß-ÿ])")
"""Not one that was broken within a sentence."""
_WORD = re.compile(r"\w+")
_ENRICHED = frozenset({"text/enriched", "text/richtext"})
_ENRICHED_MARK = re.compile(r"<<|<param>[^<]{0,1000}</param>|<nl>|</?[A-Za-z][A-Za-z0-9-]{0,60}>|(\n+)", re.IGNORECASE)


def within_bytes(text: str, size: int, diagnostics: Diagnostics) -> str:
    """Return as much of the text as fits into ``size`` bytes of UTF-8."""
    if len(text) * 4 <= size or len(data := text.encode()) <= size:
        return text
    diagnostics.cut()
    return data[:size].decode("utf-8", "ignore")


def _characters(part: Part, data: bytes, diagnostics: Diagnostics) -> str:
    """Return the characters of a text part: by its byte order mark, its parameter, or what its HTML says of itself."""
    label = part.parameters.get("charset")
    for mark, codec in _BOMS:
        if data.startswith(mark):
            data, label = data[len(mark) :], codec
            break
    if label is None and part.media_type == "text/html" and (meta := _META_CHARSET.search(data, 0, _META_WITHIN)):
        label = meta[1].decode("ascii")
    return charsets.decode(data, label, diagnostics)


def _plain(part: Part, data: bytes, diagnostics: Diagnostics) -> str:
    if len(data) > limits.DECODED_TEXT_BYTES:
        data = data[: limits.DECODED_TEXT_BYTES]
        diagnostics.cut()
    text = clean_text(_characters(part, data, diagnostics))
    if part.media_type in _ENRICHED:
        text = _ENRICHED_MARK.sub(_of_enriched, text)
    if part.parameters.get("format", "").lower() == "flowed":
        text = unflow(text, delete_space=part.parameters.get("delsp", "").lower() == "yes")
    return text.strip("\n").rstrip()


def _of_enriched(mark: re.Match[str]) -> str:
    """Return what a mark of text/enriched (RFC 1896) means in plain text: n line ends in a row are n - 1."""
    if mark[1]:
        return mark[1][1:] or " "
    return {"<<": "<", "<nl>": "\n"}.get(mark[0].lower(), "")


def _readable(parts: list[Part], contents: dict[int, bytes], diagnostics: Diagnostics) -> str:
    pieces = []
    for part in parts:
        data = contents[id(part)]
        if part.media_type == "text/html":
            pieces.append(html_to_text(_characters(part, data[: limits.CONVERTED_HTML * 2], diagnostics), diagnostics))
        else:
            pieces.append(_plain(part, data, diagnostics))
    return "\n\n".join(piece for piece in pieces if piece.strip())


def text_of(selection: Selection, contents: dict[int, bytes], diagnostics: Diagnostics) -> str:
    """Return the mail's plain text, its text parts joined by an empty line, at most 256 KiB of UTF-8.

    ``contents`` is by ``id`` of the part.
    """
    text = _readable(selection.text, contents, diagnostics)
    if selection.html and (not text or _may_be_stub(text, selection)):
        # Some mailers send an empty text beside the HTML, or none, or a sentence on HTML.
        rich = _readable(selection.html, contents, diagnostics)
        text = rich if len(rich) > 2 * len(text) or (rich and _is_stub(text, rich)) else text
    return within_bytes(text, limits.TEXT_BYTES, diagnostics)


def _may_be_stub(text: str, selection: Selection) -> bool:
    """Whether a plain text may only say that the mail is in HTML."""
    return len(text) <= _LONGEST_STUB and _OF_STUBS.search(text) is not None and selection.text != selection.html


def _is_stub(text: str, rich: str) -> bool:
    """Whether each line of a plain text is on HTML, or goes on with one, and most of its words are not in that of the HTML."""
    lines = filter(None, map(str.strip, _NEW_LINE.split(text)))
    if not all("://" in line or _OF_STUBS.search(line) for line in lines):
        return False
    words = set(_WORD.findall(text.lower()))
    return len(words - set(_WORD.findall(rich.lower()))) * 2 > len(words)


def html_of(selection: Selection, contents: dict[int, bytes], diagnostics: Diagnostics) -> str | None:
    """Return the mail's HTML as sent, or None when it has none; text between HTML parts is put in as paragraphs."""
    if not any(part.media_type == "text/html" for part in selection.html):
        return None
    pieces = []
    for part in selection.html:
        if part.media_type == "text/html":
            pieces.append(_NUL.sub("", _characters(part, contents[id(part)], diagnostics)))
        else:
            escaped = html_escapes.escape(_plain(part, contents[id(part)], diagnostics), quote=False)
            pieces.append('<p style="white-space: pre-wrap">' + escaped + "</p>")
    return "\n".join(pieces)
