"""Why a mail server cannot be used, as stable codes.

Other parts decide by the code, tests assert it, and ``advice`` turns it into sentences.
"""

from __future__ import annotations

import base64
import re
from enum import StrEnum

from schemas.errors import LeadmailError

MAX_ANSWER = 300
"""The most characters kept of a server's answer."""


class Code(StrEnum):
    """Why a log-in failed."""

    WRONG_PASSWORD = "wrong-password"  # noqa: S105  a code, not a password
    APP_PASSWORD_NEEDED = "app-password-needed"  # noqa: S105  a code, not a password
    OAUTH2_NEEDED = "oauth2-needed"
    OAUTH2_EXPIRED = "oauth2-expired"
    CONSENT_REVOKED = "consent-revoked"
    CONSENT_NEEDED = "consent-needed"
    ADMIN_CONSENT_NEEDED = "admin-consent-needed"
    SECOND_FACTOR_NEEDED = "second-factor-needed"
    UNKNOWN_APP = "unknown-app"
    APP_REFUSED = "app-refused"
    DELEGATION_MISSING = "delegation-missing"
    APP_NOT_IN_TENANT = "app-not-in-tenant"
    APP_SECRET_WRONG = "app-secret-wrong"  # noqa: S105  a code, not a password
    APP_SECRET_EXPIRED = "app-secret-expired"  # noqa: S105  a code, not a password
    MAILBOX_NOT_GRANTED = "mailbox-not-granted"
    PASSWORD_EXPIRED = "password-expired"  # noqa: S105  a code, not a password
    IMAP_DISABLED = "imap-disabled"
    SMTP_DISABLED = "smtp-disabled"
    WEB_LOGIN_NEEDED = "web-login-needed"
    ACCOUNT_DISABLED = "account-disabled"
    UNSUPPORTED_LOGIN = "unsupported-login"
    WRONG_SERVER = "wrong-server"
    NOT_PUBLIC = "not-public"
    TLS_FAILED = "tls-failed"
    CERTIFICATE = "certificate"
    PLAINTEXT_REFUSED = "plaintext-refused"
    TIMEOUT = "timeout"
    TOO_MANY_CONNECTIONS = "too-many-connections"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"


APP_ONLY = frozenset(
    {
        Code.DELEGATION_MISSING,
        Code.APP_NOT_IN_TENANT,
        Code.APP_SECRET_WRONG,
        Code.APP_SECRET_EXPIRED,
        Code.MAILBOX_NOT_GRANTED,
    }
)
"""What an administrator repairs at the mail service, of mailboxes that Leadmail opens in its own name."""
TOKEN_REFUSED = frozenset({Code.OAUTH2_EXPIRED, Code.MAILBOX_NOT_GRANTED})
"""What a mail server's refusal of a token means, of either kind of mailbox."""
TRANSIENT = APP_ONLY | {
    Code.TIMEOUT,
    Code.TOO_MANY_CONNECTIONS,
    Code.THROTTLED,
    Code.UNAVAILABLE,
    Code.APP_REFUSED,
}
"""Codes that may pass without the mailbox's owner acting. What is wrong with the application, the operator repairs."""


class MailServerError(LeadmailError):
    """A mail server could not be used. ``str()`` is for logs: it contains no secret and no private network detail."""

    def __init__(self, code: Code, detail: str = "", *, answer: str = "") -> None:
        """``detail`` says what happened in our words; ``answer`` is the server's own text, cleaned by ``clean_answer``."""
        super().__init__(": ".join(part for part in (code.value, detail, answer) if part))
        self.code = code
        self.detail = detail
        self.answer = answer

    @property
    def transient(self) -> bool:
        """Whether the same attempt may succeed later without a change."""
        return self.code in TRANSIENT


_RUN = re.compile(r"[A-Za-z0-9+/_.~=-]{6,}")
"""What may be base64, or a token."""
_SHORT, _LONG = 4, 12
"""Characters of a secret that give it away: in base64, where chance is no reason, and in plain text."""


def clean_answer(text: str | bytes, *secrets: str) -> str:
    """Return a server's answer on one line, printable, bounded, without the secrets: some servers echo the command.

    A secret is removed as it is, as a quoted string (RFC 3501 section 4.3), and within base64, where SASL puts it.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    for secret in filter(None, secrets):
        quoted = secret.replace("\\", "\\\\").replace('"', '\\"')
        for form in (quoted, secret, secret.upper(), secret.lower()):
            text = text.replace(form, "***")
        text = _without(text, secret)
    line = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(line.split())[:MAX_ANSWER]


def _without(text: str, secret: str) -> str:
    """Return a text without the words that hold a part of a secret."""
    return _RUN.sub(lambda run: "***" if _gives_away(run[0], secret) else run[0], text)


def _gives_away(run: str, secret: str) -> bool:
    """Whether a word holds a part of a secret, as a long piece of it or in base64, of which servers may show any piece."""
    if any(secret[start : start + _LONG] in run for start in range(len(secret) - _LONG + 1)):
        return True
    spoken = secret.encode()
    parts = {spoken[start : start + _SHORT] for start in range(max(1, len(spoken) - _SHORT + 1))}
    letters = run.rstrip("=").replace("-", "+").replace("_", "/")
    for offset in range(4):
        piece = letters[offset:]
        try:
            decoded = base64.b64decode(
                piece[: len(piece) // 4 * 4] if len(piece) % 4 == 1 else piece + "=" * (-len(piece) % 4)
            )
        except ValueError:
            continue
        if any(part in decoded for part in parts):
            return True
    return False
