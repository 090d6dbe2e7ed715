"""Classify what servers say when they refuse. The first matching row of a table decides.

The texts are those that users of the services report; the tests have an example of each.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeVar

from services.mailbox.connection.errors import TRANSIENT, Code

Protocol = Literal["imap", "smtp"]
Default = TypeVar("Default", Code, None)


class Rule(NamedTuple):
    """A case-insensitive pattern, what it means, and in which protocol (None: both)."""

    pattern: re.Pattern[str]
    code: Code
    protocol: Protocol | None


def _rule(code: Code, pattern: str, protocol: Protocol | None = None) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), code, protocol)


RULES: tuple[Rule, ...] = (
    # Connection and rate limits. First, because Dovecot sends them as [UNAVAILABLE] and others in a refused log-in.
    _rule(
        Code.TOO_MANY_CONNECTIONS,
        r"too many (simultaneous |concurrent |open |imap |smtp |failed |bad |invalid )*"
        r"(connections?|sessions?|log-?ins?|auth\w{0,20}|attempts|commands)"
        r"|maximum number of (connections|sessions)|connections? limit",
    ),
    _rule(
        Code.THROTTLED,
        r"\[LIMIT\]|rate.?limit|throttl|suggested backoff|bandwidth (limit|quota)|exceeded command or bandwidth",
    ),
    _rule(Code.UNAVAILABLE, r"\[(UNAVAILABLE|INUSE|SERVERBUG)\]"),  # RFC 5530: all three are temporary
    # The account is right, the kind of password is wrong.
    _rule(
        Code.APP_PASSWORD_NEEDED,
        r"app(lication)?[- ]?(specific)?[- ]?password|invalidsecondfactor|authoriz(ation|ed) code|\u6388\u6743\u7801"
        r"|account is abnormal, service is not open|parol prilozheniya",
    ),
    _rule(
        Code.OAUTH2_NEEDED,
        r"basic ?auth(entication)?( is)? ?(disabled|blocked)|basicauthblocked|modern auth\w{0,20}|(x?oauth2?|oauthbearer) (is )?required"
        r"|less secure app",
    ),
    _rule(Code.OAUTH2_EXPIRED, r"(access )?token.{0,40}(expired|invalid|revoked)|invalid_token|invalid sasl argument"),
    _rule(
        Code.WEB_LOGIN_NEEDED,
        r"via (your|a) web browser|web ?login required|\[WEBALERT|unsafe log-?in|verify your (account|identity)|login\.yahoo\.com",
    ),
    # The account is right, this protocol is disabled for it.
    _rule(
        Code.SMTP_DISABLED,
        r"smtp.{0,80}(disabled|not (been )?(enabled|activated|allowed))",
        "smtp",
    ),
    _rule(Code.SMTP_DISABLED, r"user has no permission|does not have access rights to this service", "smtp"),
    _rule(
        Code.IMAP_DISABLED,
        r"(imap|pop3?/imap|external access|third.?party)\b.{0,60}(disabled|deactivated|not (been )?(enabled|activated|allowed|open))"
        r"|not (been )?(enabled|activated|allowed) (for|to use) .{0,20}imap|yet to enable imap|(enable|activate) .{0,30}imap"
        r"|does not have access rights to this service",
        "imap",
    ),
    _rule(
        Code.ACCOUNT_DISABLED,
        r"(account|mailbox|user)( has been| is|:)? (temporarily |permanently )?"
        r"(disabled|suspended|locked|blocked|deactivated|inactive|expired|frozen)",
    ),
    _rule(
        Code.PLAINTEXT_REFUSED,
        r"\[PRIVACYREQUIRED\]|plain-?text auth\w{0,20} (disallowed|disabled)|must issue a starttls|encryption required",
    ),
    _rule(
        Code.UNAVAILABLE,
        r"temporar|try (again )?later|server (is )?(too )?busy"
        r"|system (error|busy|problem)|internal (server )?error|service (is )?(not |un)available|server unavailable|backend error"
        r"|lookup failed|shutting down",
    ),
    _rule(Code.UNAVAILABLE, r"^4\d\d\b", "smtp"),
    # Exchange accepts some wrong passwords (a good user with a bad alias, a mailbox without licence) and then answers only this.
    _rule(Code.WRONG_PASSWORD, r"authenticated but not connected"),
    _rule(
        Code.WRONG_PASSWORD,
        r"\[AUTHENTICATIONFAILED\]|\[AUTHORIZATIONFAILED\]|invalid (credentials|log-?in|user|password)"
        r"|(log-?in|logon|sign-?in) (is )?(fail\w{0,20}|error|denied|incorrect|refused|rejected)"
        r"|auth\w{0,20} (has )?(fail\w{0,20}|unsuccessful|error|rejected|denied)"
        r"|(incorrect|wrong|bad|invalid|unknown) (user ?name|user|account|log-?in|password|credentials)"
        r"|password (is )?(error|incorrect|wrong|invalid)|not accepted|failed to authenticate",
    ),
    _rule(Code.WRONG_PASSWORD, r"^535\b", "smtp"),
)


_LONGEST_ANSWER = 2_000
"""Characters that are looked at: what a server says has no bound of its own."""


_RESPONSE_CODE = re.compile(r"\[([A-Z][A-Z0-9-]{1,30})[\] ]", re.IGNORECASE)
PASSING = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"})
"""Response codes of RFC 5530 that say that the same command may succeed later."""
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
    return passes or classify(text, protocol="imap", default=None) in TRANSIENT, 0.0


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
    for rule in RULES:
        if rule.protocol in (None, protocol) and rule.pattern.search(answer):
            return rule.code
    return default
