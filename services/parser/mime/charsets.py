"""Bytes to text by the label they carry, and by evidence where the label is missing or wrong.

Labels are read as browsers read them (WHATWG Encoding Standard), since mail that says ``iso-8859-1`` means windows-1252
and mail that says ``gb2312`` means GBK; what that standard leaves out (UTF-7, ISO-2022-KR, HZ, code pages of DOS) is
decoded by Python's codecs.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

import webencodings

from services.parser.mime.charset_guess import guess, wide
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
_NO_UTF8 = re.compile("[\udc80-\udcff]+")
_NUMBERED = re.compile(r"(?:cp|ibm|dos|windows|win|ansi|microsoft|ms)[-_ .]*(\d{3,5})")
_LONGEST_LABEL = 64
_LONG_RUN = 4
"""Bytes above 0x7F in a row: text in Latin letters hardly ever has so many, text in other scripts in most words."""
_EVIDENCE = 16
"""Bytes in such rows that overrule a label which names Latin letters."""
_FEW = 6
_SAMPLE = 4096


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
    if known is None and (numbered := _NUMBERED.fullmatch(name)) is not None:
        name = f"cp{numbered[1]}"
        known = webencodings.lookup(name)
    if known is not None and known.name not in ("replacement", "x-user-defined"):
        return _WIDER.get(known.name) or str(known.name)
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    name = str(info.name)
    return name if getattr(info, "_is_text_encoding", True) and name not in _UNFIT else None


def _damaged(data: bytes) -> bool:
    """Whether bytes that are said to be Latin letters are so dense that they are something else."""
    runs = _HIGH_RUN.findall(data[: 16 * 1024])
    dense = sum(len(run) for run in runs if len(run) >= _LONG_RUN and len(set(run)) > 2)  # noqa: PLR2004 - no line of dashes
    return dense >= _EVIDENCE and dense * 2 > sum(map(len, runs))


def _as_utf8(data: bytes, *, declared: bool) -> tuple[str | None, int]:
    """Return the text, if it is UTF-8 but for a few bytes, and how many are wrong. If it is said to be UTF-8, they may be more."""
    try:
        return data.decode("utf-8"), 0
    except UnicodeDecodeError:
        text = data.decode("utf-8", "surrogateescape")
    bad = text.encode("utf-8", "replace").count(b"?") - text.count("?")
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    cut = text[-1] >= "\udc80"  # perhaps within the last character
    if not good or (good * 2 < bad - cut if declared else good <= 2 * (bad - cut)):
        return None, bad
    return _NO_UTF8.sub(_of_one_byte, text), bad


def _of_one_byte(found: re.Match[str]) -> str:
    """Return what a byte among UTF-8 probably is: text of another charset was put in, or a character was cut."""
    code = ord(found[0][0]) - 0xDC00
    if len(found[0]) > 1 or (found.end() == len(found.string) and 0xC0 < code < 0xF5):  # noqa: PLR2004 - the first byte of a character
        return "\ufffd"
    return bytes((code,)).decode("cp1252", "replace")


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
        if b"\x00" in data[:_SAMPLE] and (text := wide(data)) is not None:
            diagnostics.defect("charset", label or "undeclared")
            return without_surrogates(text)
        if data.isascii():
            if b"\x1b" not in data or not _SHIFT_JAPANESE.search(data):
                return data.decode("ascii")
            diagnostics.defect("charset", label or "undeclared")
            return _from_iso_2022_jp(data)
        text, bad = _as_utf8(data, declared=codec == "utf-8")
        if text is not None and (codec == "utf-8" or not _plausible(data, codec, bad)):
            if codec != "utf-8" or bad:
                diagnostics.defect("charset", label or "undeclared")
            return text
    return without_surrogates(_decode_declared(data, codec, label, diagnostics))


def _plausible(data: bytes, codec: str | None, bad: int) -> bool:
    """Whether bytes that are UTF-8, but for some, may all the same be what the label says.

    That is so for a few characters of an East Asian charset, and for what is wrong as UTF-8 and right as the label says.
    """
    if codec is None or (not bad and codec not in _MULTIBYTE):
        return False
    if codec in _MULTIBYTE and not bad and sum(map(len, _HIGH_RUN.findall(data[:_SAMPLE]))) > _FEW:
        return False
    try:
        data.decode(codec)
    except UnicodeError:
        return False
    return codec in _MULTIBYTE


def _byte_order(data: bytes) -> str:
    """Return UTF-16 in the byte order of a text that has no mark: that in which most of the high bytes are the same."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    first, second = data[:_SAMPLE:2], data[1:_SAMPLE:2]
    return (
        "utf-16-be"
        if max(map(first.count, set(first)), default=0) > max(map(second.count, set(second)), default=0)
        else "utf-16-le"
    )


def _decode_declared(data: bytes, codec: str | None, label: str | None, diagnostics: Diagnostics) -> str:
    latin = codec in _LATIN
    if codec is None or (latin and (_damaged(data) or (label or "").lower() in ("us-ascii", "ascii"))):
        diagnostics.defect("charset", label or "undeclared")
        return guess(data)
    try:
        return data.decode(_byte_order(data) if (label or "").lower() == "utf-16" else codec)
    except (UnicodeError, LookupError):
        diagnostics.defect("charset", label or "")
    if codec == "iso-2022-jp":
        return _from_iso_2022_jp(data)
    text = data.decode(codec, "replace")
    bad = text.count("\ufffd")
    good = sum(character > "\x7f" for character in text[: 64 * 1024]) - bad
    tolerated = 4 if codec in _MULTIBYTE else 20
    return text if latin or codec in _STATEFUL or bad * tolerated <= good else guess(data)
