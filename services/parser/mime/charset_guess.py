"""The charset of 8-bit text that has no label, or a wrong one, by the letters that the text then has."""

from __future__ import annotations

import re
from math import log

import charset_normalizer

from services.parser.mime.letter_words import CHINESE, KOREAN, LETTERS

_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_SAMPLE = 4096
_BEFORE = 1024
"""Bytes of the text before its first one above 0x7F that are looked at: HTML may be one line of many thousands."""
_SHORT = 40
"""Bytes above 0x7F up to which letters are counted here; charset_normalizer needs more."""
_LATIN_RUN = 3
"""Bytes above 0x7F in a row in words of Latin letters."""
_CANDIDATES = [
    *("cp1252", "cp1251", "koi8_r", "gb18030", "big5", "cp949", "cp932", "euc_jp"),
    *("cp1250", "iso8859_2", "cp1253", "cp1254", "cp1255", "cp1256", "cp874"),
]
_FLOOR, _RARE, _IMPOSSIBLE = -log(2_000), -log(30_000), -log(1_000_000)
_BASE = {name: {each: -log((rank + 3) * 3) for rank, each in enumerate(letters)} for name, letters in LETTERS.items()}
_NOT_SMALL_KOI8 = bytes([*range(0xC0), *range(0xE0, 0x100)])
_LATIN = ("cp1252", "cp1250", "cp1254", "cp850")
_OTHERS = ("cp1251", "koi8_u", "cp1253", "cp1255", "cp1256")
_PREFERENCE = {"cp1252": 0.95, "cp850": -1.2}
"""Among charsets of Latin letters."""
_CENTRAL = re.compile(
    rb"(?<![A-Za-z\x80-\xff])(?:nie|jest|dla|oraz|przez|jsem|jste|hogy|egy|pentru|sunt)(?![A-Za-z\x80-\xff])"
)
"""Words of languages that are written in cp1250, and of no other."""
_PUNCTUATION = frozenset(map(chr, (*range(0x3001, 0x3012), 0xFF01, 0xFF08, 0xFF09, 0xFF0C, 0xFF1A, 0xFF1F)))
_MARKS = "\u2019\u201c\u201d\u2013\u2026"
_LEVEL_ONE = {
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "cp932": ("euc_jp", 0xB0, 0xCF),
    "euc_jp": ("euc_jp", 0xB0, 0xCF),
    "big5hkscs": ("big5", 0xA4, 0xC6),
}
"""Where the more frequent half of the ideographs of a charset is, by first bytes in an encoding."""
_EAST_ASIAN = ("gb18030", "cp932", "euc_jp", "cp949", "big5hkscs")


def guess(data: bytes) -> str:
    """Return the text of undeclared or mislabelled 8-bit bytes."""
    first = _HIGH_RUN.search(data)
    if not first:
        return data.decode("ascii")
    window = data[max(0, first.start() - _BEFORE) :][: 64 * 1024]
    lines = [line for line in window.splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:_SAMPLE]
    runs = [len(run) for run in _HIGH_RUN.findall(sample)]
    high = sum(runs)
    if sum(run for run in runs if run <= _LATIN_RUN) * 2 > high and (high * 3 <= len(sample) or high == 1):
        preference = _PREFERENCE | ({"cp1250": 1.5} if _CENTRAL.search(window) else {})
        best = max(_LATIN, key=lambda name: _score(sample, name) + preference.get(name, 0))
        return data.decode(best, "replace")
    if high > _SHORT and len(sample.translate(None, _NOT_SMALL_KOI8)) * 5 > high * 4:
        return data.decode("koi8_u", "replace")
    if high <= _SHORT:
        best = max((*_OTHERS, *_EAST_ASIAN, *_LATIN), key=lambda name: _score(sample, name))
        return data.decode(best, "replace")
    found = charset_normalizer.from_bytes(
        sample, steps=3, chunk_size=512, threshold=0.3, cp_isolation=_CANDIDATES, preemptive_behaviour=False
    ).best()
    return data.decode(found.encoding if found else "cp1252", "replace")


def wide(data: bytes) -> str | None:
    """Return UTF-16 text that has no mark: every second byte of its ASCII characters is 0."""
    sample = data[:_SAMPLE]
    for zeros, codec in ((sample[1::2], "utf-16-le"), (sample[::2], "utf-16-be")):
        if zeros.count(0) * 5 > max(9, len(zeros) * 2) and sample.count(0) * 10 < zeros.count(0) * 11:
            return data.decode(codec, "replace")
    return None


def _score(sample: bytes, codec: str) -> float:
    """Return how likely the bytes above 0x7F of a sample are in a charset: the mean over them of what each character adds."""
    text = sample.decode(codec, "replace")
    if "\ufffd" in (text if len(sample) < _SAMPLE else text[:-1]):
        return _IMPOSSIBLE
    if codec in _EAST_ASIAN:
        characters = [each for each in text if each > "\x7f"]
        return sum(_east_asian(each, codec) for each in characters) / max(1, 2 * len(characters))
    return _of_letters(text, codec) / sum(map(len, _HIGH_RUN.findall(sample)))


def _of_letters(text: str, codec: str) -> float:
    letters, latin, added = _BASE[codec], codec in _LATIN, 0.0
    for before, each, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if each <= "\x7f":
            continue
        added += letters.get(each, _FLOOR)
        if each.isalpha() and before.isalpha():
            added -= 2 * (each.isupper() and before.islower())
            if (before > "\x7f") is latin:  # two accents in a row, or two scripts in one word
                added -= 1.3 if latin else 3
        elif latin and each.isalpha() and not after.isalpha():
            added -= 1.5  # a word of one letter
        elif before.isalpha() and each not in _MARKS:
            added -= 1
    return added


def _east_asian(each: str, codec: str) -> float:
    """Return how likely a character of two bytes is."""
    if "\u3041" <= each <= "\u30fc":
        return -log(40) if codec in ("cp932", "euc_jp") else -log(1_000)
    if each in CHINESE or each in KOREAN:
        return -log(90)
    if each in _PUNCTUATION:
        return -log(150)
    name, first, last = _LEVEL_ONE.get(codec, ("euc_kr", 0xB0, 0xC8))
    try:
        return -log(300 if codec in _LEVEL_ONE else 700) if first <= each.encode(name)[0] <= last else _RARE
    except UnicodeEncodeError:
        return _RARE
