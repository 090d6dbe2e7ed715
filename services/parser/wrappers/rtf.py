"""The text of compressed RTF (MS-OXRTFCP), which Outlook puts into ``winmail.dat`` where it has no other text."""

from __future__ import annotations

import re

_MAGIC_COMPRESSED, _MAGIC_PLAIN = b"LZFu", b"MELA"
_HEADER = 16
_WINDOW = 4096
_LONGEST = 1024 * 1024
"""Bytes of RTF that are read."""
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArial"
    rb"Times New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_TOKEN = re.compile(
    r"\\([a-z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9a-f]{2})|\\([^a-z'])|([{}])|[\r\n]++|([^\\{}\r\n]++)", re.IGNORECASE
)
_SIGNS = {
    **dict.fromkeys(("par", "line", "row", "page", "sect"), "\n"),
    **dict.fromkeys(("tab", "cell"), "\t"),
    "emdash": "\u2014",
    "endash": "\u2013",
    "bullet": "\u2022",
    "lquote": "\u2018",
    "rquote": "\u2019",
    "ldblquote": "\u201c",
    "rdblquote": "\u201d",
    "~": "\u00a0",
    "_": "-",
    **{sign: sign for sign in "\\{}"},
}
_NO_TEXT = frozenset(
    {
        "fonttbl",
        "colortbl",
        "stylesheet",
        "info",
        "pict",
        "object",
        "header",
        "footer",
        "generator",
        "themedata",
        "listtable",
    }
)
"""Groups that hold no text of the document."""


def decompress(data: bytes) -> bytes | None:
    """Return at most 1 MiB of RTF, or None when the data is not compressed RTF."""
    if data[8:12] == _MAGIC_PLAIN:
        return data[_HEADER : _HEADER + _LONGEST]
    if data[8:12] != _MAGIC_COMPRESSED:
        return None
    window = bytearray(_DICTIONARY.ljust(_WINDOW, b"\0"))
    write, at = len(_DICTIONARY), _HEADER
    out = bytearray()
    while at < len(data) and len(out) < _LONGEST:
        flags, at = data[at], at + 1
        for bit in range(8):
            if flags >> bit & 1:
                pair = int.from_bytes(data[at : at + 2], "big")
                offset, length, at = pair >> 4, (pair & 15) + 2, at + 2
                if offset == write or at > len(data):
                    return bytes(out)
                for step in range(length):
                    window[write] = byte = window[(offset + step) % _WINDOW]
                    out.append(byte)
                    write = (write + 1) % _WINDOW
            elif at < len(data):
                window[write] = data[at]
                out.append(data[at])
                write, at = (write + 1) % _WINDOW, at + 1
    return bytes(out[:_LONGEST])


def rtf_text(rtf: bytes, codepage: str) -> str:
    """Return the text of RTF, without that of tags when it was made from HTML; bytes are in ``codepage``."""
    reader = _Reader(codepage)
    for found in _TOKEN.finditer(rtf.decode("latin-1")):
        word, number, code, symbol, brace, plain = found.groups()
        if brace or symbol == "*" or word in _NO_TEXT or word in ("htmlrtf", "uc"):
            reader.group(brace or word or "*", number)
        elif not reader.hidden:
            if code is not None or plain is not None:
                reader.octets(bytes.fromhex(code) if code is not None else plain.encode("latin-1"))
            else:
                reader.sign(word or symbol or "", number)
    return reader.text()


class _Reader:
    def __init__(self, codepage: str) -> None:
        self.hidden = False
        self._codepage = codepage
        self._out: list[str] = []
        self._octets = bytearray()
        self._groups: list[tuple[bool, int]] = []
        self._fallback, self._skip = 1, 0
        """Octets that follow a Unicode sign for programs that do not know it, and how many are still to come."""

    def group(self, word: str, number: str | None) -> None:
        """Begin or end a group, or change what counts within it."""
        if word == "{":
            self._groups.append((self.hidden, self._fallback))
        elif word == "}":
            self.hidden, self._fallback = self._groups.pop() if self._groups else (False, 1)
        elif word == "uc":
            self._fallback = max(0, int(number or 1))
        else:
            self.hidden = word != "htmlrtf" or number != "0"

    def octets(self, octets: bytes) -> None:
        """Add octets of the codepage."""
        self._octets += octets[self._skip :]
        self._skip = max(0, self._skip - len(octets))

    def sign(self, word: str, number: str | None) -> None:
        """Add what a control word stands for, if it stands for text."""
        if word == "u" and number:
            self._add(chr(int(number) % 0x10000))
            self._skip = self._fallback
        else:
            self._add(_SIGNS.get(word, ""))

    def _add(self, text: str) -> None:
        if text:
            self._out += self._octets.decode(self._codepage, "replace"), text
            self._octets.clear()

    def text(self) -> str:
        """Return what was read; halves of a surrogate pair are joined."""
        whole = "".join(self._out) + self._octets.decode(self._codepage, "replace")
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
