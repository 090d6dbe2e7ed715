"""Answers of an IMAP server that is not itself for a while: it throttles, denies mail that it has, and breaks off in a mail."""

from __future__ import annotations

import re
from random import Random

_COMMAND = re.compile(rb"(\S+) (?:UID )?(FETCH|SEARCH|STATUS|EXAMINE|LIST)\b[^\r\n]*\r\n", re.IGNORECASE)
_PASSING = (
    b"BAD Request is throttled. Suggested Backoff Time: 400 milliseconds",
    b"NO [UNAVAILABLE] Service temporarily unavailable",
    b"NO [INUSE] Mailbox is in use",
    b"NO [LIMIT] Too many simultaneous commands",
)
_BROKEN_OFF = b"* 1 FETCH (UID 1 BODY[] {4096}\r\nFrom: someone@"
_BREAKS_OFF = 0.3
"""Share of the FETCHes."""


def throttling(numbers: Random, said: bytes) -> bytes | None:
    """Return a refusal that passes, in the words of Exchange, iCloud and others; None for what is not refused."""
    match = _COMMAND.fullmatch(said)
    return match and match[1] + b" " + numbers.choice(_PASSING) + b"\r\n"


def lying(numbers: Random, said: bytes) -> bytes | None:
    """Return a contradiction: no mail is found, or a mail breaks off, after which the connection is cut; None for the truth."""
    match = _COMMAND.fullmatch(said)
    if match and match[2].upper() == b"SEARCH":
        return b"* SEARCH\r\n" + match[1] + b" OK SEARCH completed\r\n"
    if match and match[2].upper() == b"FETCH" and numbers.random() < _BREAKS_OFF:
        return _BROKEN_OFF
    return None


def breaks_off(answer: bytes) -> bool:
    """Return whether the connection is cut after an answer."""
    return not answer.endswith(b"\r\n")
