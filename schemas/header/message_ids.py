"""Message-ID, In-Reply-To, References (RFC 5322 section 3.6.4), without angle brackets and as tolerant as mail needs it."""

from __future__ import annotations

import re

MAX_MESSAGE_ID = 998
_BRACKETED = re.compile(r"<([^<>]*)>")
_SEPARATORS = re.compile(r"[\s,;]+")
_UNFIT = re.compile("[\\s\x00-\x20\x7f-\x9f]+")
_DIGIT = re.compile("[0-9]")
_SHORTEST = 8
"""Characters of an id without ``@`` that a mail names. What is shorter is a word such as ``none``; so is what has neither brackets
nor a digit."""


def own_id(value: str) -> str | None:
    """Return a mail's own id, or None. An id without brackets or ``@`` is accepted unchanged."""
    found = _bracketed(value) or [word.strip("<>") for word in _words(value) if "@" in word]
    return next(filter(None, map(_cleaned, found)), None) or _cleaned(value.strip().strip("<>")) or None


def named_ids(value: str) -> tuple[str, ...]:
    """Return the ids that In-Reply-To or References names: those in angle brackets, each once.

    Where there are no brackets, the value is a list of ids, or a single one, or prose that names none ("Your message of Monday"):
    an address in prose must not look like an id, or all mail that answers this person would be one thread.
    """
    if not value:  # most mails answer none
        return ()
    bracketed = _bracketed(value)
    found = [one for one in bracketed if "@" in one or len(one) >= _SHORTEST]
    if not bracketed:
        words = [word.strip("<>") for word in _words(value)]
        single = len(words) == 1 and len(words[0]) >= _SHORTEST and _DIGIT.search(words[0])
        found = words if single or all("@" in word for word in words) else []
    return tuple(dict.fromkeys(filter(None, map(_cleaned, found))))


def answered_id(value: str) -> str | None:
    """Return the id that In-Reply-To names: the first one (RFC 5256).

    In a sentence it is the last one: "Message from Kim <kim@x.example> of Monday <id@x.example>" (MH, exmh).
    """
    ids = named_ids(value)
    before, bracket, _ = value.partition("<")
    return ids[-1 if bracket and before.strip() else 0] if ids else None


def _bracketed(value: str) -> list[str]:
    return _BRACKETED.findall(value)


def _words(value: str) -> list[str]:
    return [word for word in _SEPARATORS.split(value) if word]


def _cleaned(value: str) -> str:
    return _UNFIT.sub("", value)[:MAX_MESSAGE_ID]
