"""The charset of 8-bit text that has no label, or a wrong one, by the letters and words that the text then has.

Each charset gets the logarithm of how likely what it makes of a sample is: of each byte above 0x7F the letter, and its place in
the word; in Latin letters also the words of each language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from math import log

from services.parser.mime.letter_words import CHINESE, FURTHER, JAPANESE, KOREAN, LATIN, LETTERS

_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_WORD = re.compile(r"[^\W\d_]+")
_OTHER = re.compile("(?<=(.))([^\x00-\x7f])(?=(.?))", re.DOTALL)
"""A character that is no ASCII, between its neighbours."""
_SAMPLE, _WORDS = 1_500, 2_000
"""Bytes in which letters, and words, are looked at."""
_WIDE = 4096
_BEFORE = 1024
"""Bytes of the text before its first one above 0x7F that are looked at: HTML may be one line of many thousands."""
_LATIN_RUN = 3
"""Bytes above 0x7F in a row in words of Latin letters."""
_FLOOR, _RARE, _WRONG = -log(2_000), -log(60_000), -15.0
_MARKS = "\u2019\u201c\u201d\u2013\u2026"
_USUAL = _MARKS + "\xa0\u2018\u201e€«»°§·"
_PUNCTUATION = frozenset(map(chr, (*range(0x3001, 0x3012), 0xFF01, 0xFF08, 0xFF09, 0xFF0C, 0xFF1A, 0xFF1F)))
_PRIOR = {"cp1252": 2.0, "cp1250": 1.0, "cp1257": -1.0, "cp850": -1.0}
"""How much more likely a charset of Latin letters is than another, before anything is read."""
_OLD = {"cp850": -1.5}
"""Added for each letter of a charset that is hardly used any more."""
_DENSE = -6.0
"""Added for Latin letters where bytes above 0x7F are too dense for them."""
_ASCII_WORD, _OTHER_WORD = 1.2, 3.0
_EAST_ASIAN = {
    "gb18030": (CHINESE, -log(600), "gb2312", 0xB0, 0xD7),
    "cp932": (JAPANESE, -log(600), "euc_jp", 0xB0, 0xCF),
    "euc_jp": (JAPANESE, -log(600), "euc_jp", 0xB0, 0xCF),
    "cp949": (KOREAN, -log(200), "euc_kr", 0xB0, 0xC8),
    "big5hkscs": (CHINESE, -log(600), "big5", 0xA4, 0xC6),
}
"""Frequent characters and how likely each is; where the more frequent half is, by first bytes in an encoding."""
_JAPANESE = ("cp932", "euc_jp")
_KANA = {
    **dict.fromkeys(map(chr, range(0x3041, 0x3094)), -log(80)),
    **dict.fromkeys(map(chr, range(0x30A1, 0x30FD)), -log(400)),
}
_KANA_ELSEWHERE = -log(15_000)


def _ranked(letters: str, first: int, scale: float) -> dict[str, float]:
    """Return how likely each of some letters is by its place among them."""
    return {each: -log((rank + first) * scale) for rank, each in enumerate(letters)}


_OF_LATIN = [dict.fromkeys(_USUAL, -log(60)) | _ranked(language.letters, 2, 2.2) for language in LATIN]
_OF_LATIN_CODECS = {*(language.charset for language in LATIN), *FURTHER.values()}
_OF_OTHERS = {codec: _ranked(letters, 3, 3.0) for codec, letters in LETTERS.items()}


def guess(data: bytes) -> str:
    """Return the text of undeclared or mislabelled 8-bit bytes."""
    first = _HIGH_RUN.search(data)
    if not first:
        return data.decode("ascii")
    window = data[max(0, first.start() - _BEFORE) :][: 64 * 1024]
    sample = b"\n".join(line for line in window.splitlines() if not line.isascii())[:_SAMPLE]
    runs = [len(run) for run in _HIGH_RUN.findall(sample)]
    high = sum(runs)
    best, codec = _latin(sample, window[:_WORDS])
    if not (sum(run for run in runs if run <= _LATIN_RUN) * 2 > high and (high * 3 <= len(sample) or high == 1)):
        others = ((_of_script(sample, each), each) for each in (*_OF_OTHERS, *_EAST_ASIAN))
        _, codec = max((best + _DENSE, codec), *others)
    return data.decode(codec, "replace")


def wide(data: bytes) -> str | None:
    """Return UTF-16 text that has no mark: every second byte of its ASCII characters is 0."""
    sample = data[:_WIDE]
    for zeros, codec in ((sample[1::2], "utf-16-le"), (sample[::2], "utf-16-be")):
        if zeros.count(0) * 5 > max(9, len(zeros) * 2) and sample.count(0) * 10 < zeros.count(0) * 11:
            return data.decode(codec, "replace")
    return None


def _latin(sample: bytes, window: bytes) -> tuple[float, str]:
    """Return how likely the best of the charsets of Latin letters is, and which it is."""
    scores = []
    # For the bytes of most texts, several of the charsets have the same letters.
    samples = {codec: sample.decode(codec, "replace") for codec in _OF_LATIN_CODECS}
    windows = {codec: window.decode(codec, "replace") for codec in _OF_LATIN_CODECS}
    read = {text: _read(text, latin=True) for text in set(samples.values())}
    words = {text: frozenset(_WORD.findall(text.lower())) for text in set(windows.values())}
    for language, letters in zip(LATIN, _OF_LATIN, strict=True):
        for codec in (language.charset, FURTHER.get(language.charset)):
            if codec is not None:
                found, places = read[samples[codec]]
                score = _likely(found, letters, _OLD.get(codec, 0)) + places + _PRIOR.get(codec, 0)
                known = language.words & words[windows[codec]]
                score += sum(_ASCII_WORD if word.isascii() else _OTHER_WORD for word in known)
                scores.append((score, codec))
    return max(scores)


def _of_script(sample: bytes, codec: str) -> float:
    """Return how likely a charset of another script is."""
    text = sample.decode(codec, "replace")
    if codec in _EAST_ASIAN:
        return sum(number * _east_asian(each, codec) for each, number in Counter(text).items() if each > "\x7f")
    capitals = text.isupper()
    found, places = _read(text.lower() if capitals else text, latin=False)
    return _likely(found, _OF_OTHERS[codec], -0.2 if capitals else 0) + places


def _likely(found: Mapping[str, int], letters: Mapping[str, float], each_costs: float) -> float:
    """Return how likely some letters are, which are given with their numbers."""
    return sum(
        number * (letters.get(each, _FLOOR if each != "\ufffd" else _WRONG) + each_costs)
        for each, number in found.items()
    )


def _read(text: str, *, latin: bool) -> tuple[Counter[str], float]:
    """Return the letters that are no ASCII, and how likely their places in the words are."""
    letters, places = Counter[str](), 0.0
    for (before, each, after), number in Counter(_OTHER.findall(f" {text}")).items():
        letters[each] += number
        if each.isalpha() and before.isalpha():
            places -= 2 * number * (each.isupper() and before.islower())
            places -= 3 * number * (not latin and after.isascii() and after.isalpha())
            if (before > "\x7f") is latin:  # two accents in a row, or two scripts in one word
                places -= number * (1.3 if latin else 3)
            places -= 3 * number * (before == "ς")
        elif latin and each.isalpha() and not after.isalpha():
            places -= 1.5 * number  # a word of one letter
        elif before.isalpha() and each not in _MARKS:
            places -= number
    return letters, places


def _east_asian(each: str, codec: str) -> float:
    """Return how likely a character of two bytes is."""
    if each in _KANA:
        return _KANA[each] if codec in _JAPANESE else _KANA_ELSEWHERE
    if each in _PUNCTUATION:
        return -log(60)
    frequent, likely, name, first, last = _EAST_ASIAN[codec]
    if each == "\ufffd":
        return _WRONG
    if each in frequent:
        return likely
    try:
        return -log(6_000) if first <= each.encode(name)[0] <= last else _RARE
    except UnicodeEncodeError:
        return _RARE
