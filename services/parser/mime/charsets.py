"""Bytes to text by the label they carry, and by evidence where the label is missing or wrong.

Labels are read as browsers read them (WHATWG Encoding Standard), since mail that says ``iso-8859-1`` means windows-1252
and mail that says ``gb2312`` means GBK; what that standard leaves out (UTF-7, ISO-2022-KR, HZ, code pages of DOS) is
decoded by Python's codecs.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

import charset_normalizer
import webencodings

from services.parser.mime.diagnostics import Diagnostics

_WIDER = {
    "gbk": "gb18030",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "iso-8859-8-i": "iso-8859-8",
    "x-mac-cyrillic": "mac-cyrillic",
    "macintosh": "mac-roman",
    "windows-874": "cp874",
}
"""WHATWG names to the Python codec that decodes all that the encoding's users really write."""
_OURS = {
    "utf-7": "utf-7",
    "unicode-1-1-utf-7": "utf-7",
    "x-unicode-2-0-utf-7": "utf-7",
    "csunicode11utf7": "utf-7",
    "hz-gb-2312": "hz",
    "hz": "hz",
    "iso-2022-kr": "iso2022_kr",
    "cp932": "cp932",
    "cp949": "cp949",
    "cp936": "gb18030",
    "cp950": "big5hkscs",
    "uhc": "cp949",
    "utf8mb4": "utf-8",
    "utf": "utf-8",
}
_UNFIT = frozenset({"unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "mbcs", "oem"})
"""Codecs of Python that are no charsets."""
_SEVEN_BIT = frozenset({"utf-7", "hz", "iso2022_kr", "iso-2022-jp"})
_STATEFUL = _SEVEN_BIT | {"utf-16le", "utf-16be", "utf-16", "utf-32"}
"""Here bytes below 0x80 do not mean ASCII."""
_LATIN = frozenset({"windows-1252", "iso-8859-15", "windows-1254", "iso-8859-2", "windows-1250"})

_MULTIBYTE = frozenset({"gb18030", "big5hkscs", "cp949", "cp932", "euc-jp"})

_SHIFT = re.compile(rb"\x1b(\$[@B]|\([BJI])")
_SHIFT_JAPANESE = re.compile(rb"\x1b(?:\$[@B]|\([BJ])")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_SAMPLE = 4096
_CANDIDATES = [
    *("cp1252", "cp1251", "koi8_r", "gb18030", "big5", "cp949", "cp932", "euc_jp"),
    *("cp1250", "iso8859_2", "cp1253", "cp1254", "cp1255", "cp1256", "cp874"),
]
_TURKISH = (b"\xfd", b"\xfe", b"\xf0", b"\xdd", b"\xde")
"""Dotless i, s with cedilla, soft g, dotted I: in windows-1252 letters of Icelandic."""
_LONGEST_LABEL = 64
_LONG_RUN = 6
"""Bytes above 0x7F in a row: text in Latin letters hardly ever has so many, text in other scripts always."""


def without_surrogates(text: str) -> str:
    """Return the text as valid Unicode: some codecs (UTF-7, UTF-16) produce lone surrogates, which no JSON can hold."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


@lru_cache(maxsize=512)
def codec_of(label: str) -> str | None:
    """Return the Python codec for a charset label, or None for an unknown label."""
    name = label.strip().strip("\"'").lower()
    if name in _OURS:
        return _OURS[name]
    known = webencodings.lookup(name)
    if known is not None and known.name not in ("replacement", "x-user-defined"):
        return _WIDER.get(known.name) or str(known.name)
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    name = str(info.name)
    return name if getattr(info, "_is_text_encoding", True) and name not in _UNFIT else None


def _guess(data: bytes) -> str:
    """Return the text of undeclared or mislabelled 8-bit bytes."""
    lines = [line for line in data[: 64 * 1024].splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:_SAMPLE]
    runs = [len(run) for run in _HIGH_RUN.findall(sample)]
    if runs and max(runs) < _LONG_RUN and sum(runs) * 3 <= len(sample):
        turkish = sum(map(sample.count, _TURKISH)) * 2 > sum(runs)
        return data.decode("cp1254" if turkish else "cp1252", "replace")
    if sum(0xC0 <= byte <= 0xDF for byte in sample) * 5 > sum(runs) * 4:  # noqa: PLR2004 - small letters of KOI8
        return data.decode("koi8_u")
    best = charset_normalizer.from_bytes(
        sample, steps=3, chunk_size=512, threshold=0.3, cp_isolation=_CANDIDATES, preemptive_behaviour=False
    ).best()
    return data.decode(best.encoding if best else "cp1252", "replace")


def _damaged(data: bytes) -> bool:
    """Whether bytes that are said to be Latin letters are so dense that they are something else."""
    sample = data[: 16 * 1024]
    high = sum(map(len, runs := _HIGH_RUN.findall(sample)))
    return bool(high) and sum(len(run) for run in runs if len(run) >= _LONG_RUN) * 2 > high


def _valid_utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _from_iso_2022_jp(data: bytes) -> str:
    """Decode ISO-2022-JP with the characters that mail programs add to it (NEC row 13, half-width katakana) by way of code page 932."""
    out = bytearray()
    for index, piece in enumerate(_SHIFT.split(data)):
        if index % 2:
            mode = piece
        elif index and mode in (b"$B", b"$@"):
            for first, second in zip(piece[::2], piece[1::2], strict=False):
                odd = second + (0x1F if second < 0x60 else 0x20)  # noqa: PLR2004 - JIS X 0208 to Shift JIS, arithmetic
                out.append(((first + 1) >> 1) + (0x70 if first < 0x5F else 0xB0))  # noqa: PLR2004
                out.append((odd if first % 2 else second + 0x7E) & 0xFF)
        elif index and mode == b"(I":
            out += bytes(byte | 0x80 for byte in piece)
        else:
            out += piece
    return out.decode("cp932", "replace")


def decode(data: bytes, label: str | None, diagnostics: Diagnostics) -> str:
    """Return the text of ``data``; never raises. Wrong and missing labels are noted as ``charset:<label>``.

    ``label`` is the declared charset.
    """
    codec = codec_of(label) if label and len(label) <= _LONGEST_LABEL else None
    if codec in _SEVEN_BIT and not data.isascii():
        codec = None
    if codec not in _STATEFUL:
        if data.isascii():
            if b"\x1b" not in data or not _SHIFT_JAPANESE.search(data):
                return data.decode("ascii")
            diagnostics.defect("charset", label or "undeclared")
            return _from_iso_2022_jp(data)
        text = _valid_utf8(data)
        if text is not None and (codec == "utf-8" or not _plausible(data, codec)):
            if codec != "utf-8":
                diagnostics.defect("charset", label or "undeclared")
            return text
    return without_surrogates(_decode_declared(data, codec, label, diagnostics))


def _plausible(data: bytes, codec: str | None) -> bool:
    """Whether bytes that are valid UTF-8 may all the same be what the label says: a few characters of an East Asian charset."""
    if codec not in _MULTIBYTE or sum(map(len, _HIGH_RUN.findall(data[:_SAMPLE]))) > _LONG_RUN:
        return False
    try:
        data.decode(codec)
    except UnicodeError:
        return False
    return True


def _decode_declared(data: bytes, codec: str | None, label: str | None, diagnostics: Diagnostics) -> str:
    latin = codec in _LATIN
    if codec is None or (latin and (_damaged(data) or (label or "").lower() in ("us-ascii", "ascii"))):
        diagnostics.defect("charset", label or "undeclared")
        return _guess(data)
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError):
        diagnostics.defect("charset", label or "")
    if codec == "iso-2022-jp":
        return _from_iso_2022_jp(data)
    text = data.decode(codec, "replace")
    bad = text.count("\ufffd")
    good = sum(character > "\x7f" for character in text[: 64 * 1024]) - bad
    tolerated = 4 if codec in _MULTIBYTE else 20
    return text if latin or codec in _STATEFUL or bad * tolerated <= good else _guess(data)
