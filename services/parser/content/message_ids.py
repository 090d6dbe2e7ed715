"""Message-ID, In-Reply-To, References (RFC 5322 section 3.6.4), without angle brackets and as tolerant as mail needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.parser.mime import limits

_BRACKETED = re.compile(r"<([^<>]*)>")
_SEPARATORS = re.compile(r"[\s,;]+")
_UNFIT = re.compile("[\\s\x00-\x20\x7f-\x9f]+")


def _cleaned(value: str) -> str:
    return _UNFIT.sub("", value)[: limits.MESSAGE_ID]


def _ids(value: str) -> Iterator[str]:
    """Yield what is in angle brackets; where there is none, every word with an ``@``."""
    bracketed = False
    for found in _BRACKETED.finditer(value):
        bracketed = True
        if identifier := _cleaned(found[1]):
            yield identifier
    if not bracketed:
        for word in _SEPARATORS.split(value):
            if "@" in word and (identifier := _cleaned(word.strip("<>"))):
                yield identifier


def message_id(value: str) -> str | None:
    """Return a mail's own id, or None. An id without brackets or ``@`` is accepted unchanged."""
    return next(_ids(value), None) or _cleaned(value.strip().strip("<>")) or None


def in_reply_to(value: str) -> str | None:
    """Return the id of the mail that is answered, or None: some mailers write prose there."""
    return next(_ids(value), None)


def references(value: str) -> tuple[tuple[str, ...], bool]:
    """Return the ids of the thread, oldest first, each once, and whether some were left out of the middle."""
    found = tuple(dict.fromkeys(_ids(value)))
    if len(found) <= limits.REFERENCES:
        return found, False
    return (found[0], *found[-(limits.REFERENCES - 1) :]), True
