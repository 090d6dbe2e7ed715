"""Files within a text: uuencoded ones, and yEnc (yenc.org), as old mail programs and newsreaders send them."""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

from services.parser.content.body_selection import Selection
from services.parser.mime.structure import Part

_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_YENC_BEGIN = re.compile(rb"^=ybegin [^\r\n]{0,100}?name=([^\r\n]{1,255})\r?\n(?:=ypart [^\n]{0,200}\n)?", re.MULTILINE)
_LINE = re.compile(rb"([^\r\n]*+)\r?\n?")
_LONGEST_LINE = 61
"""Characters of 45 bytes, with the one that says how many there are."""


class _File(NamedTuple):
    name: str
    data: bytes
    start: int
    end: int
    """Where the text goes on."""


def take_embedded_files(selection: Selection, contents: dict[int, bytes]) -> dict[int, bytes]:
    """Add the files in the plain texts of a mail to its attachments, and to ``contents``. Return the texts without them."""
    texts: dict[int, bytes] = {}
    for part in selection.text:
        data = contents[id(part)]
        if (b"begin " not in data and b"=ybegin " not in data) or part.media_type == "text/html":
            continue
        pieces, position = [], 0
        for file in _files(data):
            pieces.append(data[position : file.start])
            position = file.end
            leaf = Part({}, "application/octet-stream", {}, "attachment", file.name, b"", 0, 0)
            selection.attachments.append(leaf)
            contents[id(leaf)] = file.data
        if pieces:
            texts[id(part)] = b"".join([*pieces, data[position:]])
    return texts


def _files(data: bytes) -> list[_File]:
    found: list[_File] = []
    for read, begins in ((_uuencoded, _UU_BEGIN.finditer(data)), (_yenc, _YENC_BEGIN.finditer(data))):
        for begin in begins:
            if found and begin.start() < found[-1].end:
                continue
            if (file := read(data, begin)) is not None:
                found.append(file)
            elif read is _yenc:
                break  # no later one has an end either
    return sorted(found, key=lambda file: file.start)


def _uuencoded(data: bytes, begin: re.Match[bytes]) -> _File | None:
    """Return a file of which every line is sound, down to its ``end``."""
    chunks: list[bytes] = []
    position = begin.end()
    while (line := _LINE.match(data, position)) is not None and line.end() > position:
        position, text = line.end(), line[1]
        if text == b"end":
            return _File(_name(begin[1]), b"".join(chunks), begin.start(), position)
        if len(text.rstrip()) > _LONGEST_LINE + 1:
            return None
        try:
            chunks.append(binascii.a2b_uu(text))
        except binascii.Error:
            return None
    return None


def _yenc(data: bytes, begin: re.Match[bytes]) -> _File | None:
    end = data.find(b"\n=yend", begin.end() - 1)
    if end < 0:
        return None
    first, *escaped = data[begin.end() : end].translate(None, b"\r\n").split(b"=")
    decoded = first.translate(_MINUS_42) + b"".join(
        piece[:1].translate(_MINUS_106) + piece[1:].translate(_MINUS_42) for piece in escaped
    )
    line = _LINE.match(data, end + 1)
    return _File(_name(begin[1]), decoded, begin.start(), line.end() if line else len(data))


_MINUS_42 = bytes((byte - 42) % 256 for byte in range(256))
_MINUS_106 = bytes((byte - 106) % 256 for byte in range(256))


def _name(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip().strip('"')
