"""Classify what servers say when they refuse: response codes first, then words (``refusal_rules``)."""

from __future__ import annotations

import re
from typing import TypeVar

from services.mailbox.connection.errors import TRANSIENT, Code
from services.mailbox.connection.refusal_rules import LIMITS, OUTAGES, RULES, Protocol, Rule

Default = TypeVar("Default", Code, None)
_LONGEST_ANSWER = 2_000
"""Characters that are looked at: what a server says has no bound of its own."""
_CODES: dict[str, Code] = {
    "LIMIT": Code.THROTTLED,
    "UNAVAILABLE": Code.UNAVAILABLE,
    "INUSE": Code.UNAVAILABLE,
    "SERVERBUG": Code.UNAVAILABLE,
    "TEMPFAIL": Code.UNAVAILABLE,
    "PRIVACYREQUIRED": Code.PLAINTEXT_REFUSED,
    "EXPIRED": Code.PASSWORD_EXPIRED,
}
"""What response codes mean by themselves (RFC 5530; TEMPFAIL is Yahoo's). Words decide only among limits."""


_RESPONSE_CODE = re.compile(r"\[([A-Z][A-Z0-9-]{1,30})[\] ]", re.IGNORECASE)
PASSING = frozenset(code for code, meaning in _CODES.items() if meaning in TRANSIENT)
"""Response codes that say that the same command may succeed later."""
LASTING = frozenset(
    {
        "ALREADYEXISTS", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "CANNOT", "CLIENTBUG", "CONTACTADMIN", "EXPIRED",
        "NONEXISTENT", "NOPERM", "PRIVACYREQUIRED", "TRYCREATE", "UNKNOWN-CTE",
    }
)  # fmt: skip
"""Response codes that say that it may not."""
_BANDWIDTH = re.compile(r"bandwidth|command|rate|traffic|download", re.IGNORECASE)
"""What Gmail's ``[OVERQUOTA]`` is about. Without such a word the mailbox is full, which hinders no reading."""
_PAUSE = re.compile(
    r"(?:backoff[ _-]?time|retry.after|(?:again|retry|wait)(?: in| after| for)?)\s{0,3}"
    r"(?:\(?(ms|milliseconds|seconds)\)?\s{0,3})?[:=]?\s{0,3}(\d{1,12})\s{0,3}(ms|milli|sec|s\b|min|hour)?",
    re.IGNORECASE,
)
"""Exchange: ``Suggested Backoff Time: 299961 milliseconds``; others: ``try again in 5 minutes``."""
_UNITS = {"ms": 0.001, "mil": 0.001, "s": 1.0, "sec": 1.0, "min": 60.0, "hou": 3600.0}
_DROPPED = re.compile(r"time.?out|timed out|lock(ed)? by|in use|overload|not ready|busy", re.IGNORECASE)
"""Further words of a command's refusal that pass. In a login's refusal they may mean something else."""


def response_code(answer: str) -> str:
    """Return the first response code of a refusal (RFC 3501 section 7.1) in capitals, or ""."""
    found = _RESPONSE_CODE.search(answer[:_LONGEST_ANSWER])
    return found[1].upper() if found else ""


def passing(text: str) -> tuple[bool, float]:
    """Return whether the refusal of a command may pass by itself, and the seconds that the server asks to wait."""
    text = text[:_LONGEST_ANSWER]
    pause = suggested_pause(text)
    code = response_code(text)
    if code in PASSING or pause:
        return True, pause
    if code in LASTING:
        return False, 0.0
    if code == "OVERQUOTA":
        return bool(_BANDWIDTH.search(text)), 0.0
    passes = "authenticated but not connected" in text.casefold() or bool(_DROPPED.search(text))
    return passes or _first((*LIMITS, *OUTAGES), text, "imap", None) in TRANSIENT, 0.0


def suggested_pause(text: str) -> float:
    """Return the seconds that a server asks to wait, 0 if it does not."""
    found = _PAUSE.search(text[:_LONGEST_ANSWER])
    if found is None:
        return 0.0
    unit = (found[1] or found[3] or "").lower()
    # Exchange counts in milliseconds, also where it does not say so.
    return int(found[2]) * _UNITS.get(unit[:3], 0.001 if "backoff" in found[0].lower() else 1.0)


def classify(answer: str, *, protocol: Protocol, default: Default) -> Code | Default:
    """Return what a refusal means, or ``default`` if no row matches (an empty answer, a language that the table lacks)."""
    answer = answer[:_LONGEST_ANSWER]
    known = _CODES.get(response_code(answer)) if protocol == "imap" else None
    if known is not None:
        return _first(LIMITS, answer, protocol, known) if known in TRANSIENT else known
    found = _first(RULES, answer, protocol, default)
    if response_code(answer) == "CONTACTADMIN" and found in (*TRANSIENT, default):
        return Code.REFUSED
    return found


def _first(rules: tuple[Rule, ...], answer: str, protocol: Protocol, default: Default) -> Code | Default:
    for rule in rules:
        if rule.protocol in (None, protocol) and rule.pattern.search(answer):
            return rule.code
    return default
