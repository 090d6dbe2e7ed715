"""The SASL exchanges in use."""

from __future__ import annotations

import re
from collections.abc import Callable

from services.mailbox.connection.errors import Code, MailServerError, clean_answer
from services.mailbox.connection.line_breaks import refuse_line_breaks
from services.mailbox.connection.refusal_rules import Protocol
from services.mailbox.connection.refusals import classify

SaslExchange = Callable[[bytes], bytes]
"""Takes the server's challenge and returns our answer, both decoded from base64."""


def plain_exchange(username: str, password: str) -> SaslExchange:
    """Return a PLAIN exchange (RFC 4616): one message in UTF-8."""
    refuse_line_breaks(username, password)
    message = b"\0" + username.encode() + b"\0" + password.encode()
    return lambda _challenge: message


def login_exchange(username: str, password: str) -> SaslExchange:
    """Return a LOGIN exchange (never standardised): the name first, then the password. The prompts differ between servers."""
    refuse_line_breaks(username, password)
    answers = iter((username.encode(), password.encode()))
    return lambda _challenge: next(answers, b"")


_SERVER_STATUS = re.compile(rb'"status"\s{0,3}:\s{0,3}"?(?:5\d\d|429)\b')
_LONGEST_CHALLENGE = 2_000
_NO_PASSWORD = frozenset(
    {
        Code.WRONG_PASSWORD,
        Code.PASSWORD_EXPIRED,
        Code.APP_PASSWORD_NEEDED,
        Code.OAUTH2_NEEDED,
        Code.REFUSED,
    }
)


class BearerExchange:
    """XOAUTH2 (Google, Microsoft) or OAUTHBEARER (RFC 7628): the token, and on an error challenge the empty reply that it requires.

    ``challenge`` is the server's error: JSON with ``status`` (400, 401) and ``scope``, or empty.
    """

    def __init__(self, mechanism: str, username: str, token: str, *, mailbox: str | None = None) -> None:
        """``mechanism`` is ``XOAUTH2`` or ``OAUTHBEARER``; ``mailbox`` the one for which Leadmail got the token in its own name.

        Raises:
            MailServerError: it is another mailbox than the login name says. The token could open that, too.
        """
        if mailbox is not None and mailbox != username:
            raise MailServerError(Code.MAILBOX_NOT_GRANTED, "the login name is not the mailbox's address")
        refuse_line_breaks(username, token)
        if "\1" in username + token:
            raise ValueError("a user name or token contains a control character")
        self.challenge = b""
        self._refused = Code.OAUTH2_EXPIRED if mailbox is None else Code.MAILBOX_NOT_GRANTED
        self._sent = False
        if mechanism == "OAUTHBEARER":
            escaped = username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
            self.first = f"n,a={escaped},\1auth=Bearer {token}\1\1".encode()
            self._acknowledge = b"\1"
        else:
            self.first = f"user={username}\1auth=Bearer {token}\1\1".encode()
            self._acknowledge = b""

    def refusal(self, answer: str, protocol: Protocol, token: str) -> MailServerError:
        """Return what a refusal means. There is no password: of an expired token, servers say what they say of a wrong password."""
        answer = clean_answer(f"{answer} {self.challenge.decode('utf-8', 'replace')}", token)
        if _SERVER_STATUS.search(self.challenge[:_LONGEST_CHALLENGE]):  # the server has a problem, not the token
            return MailServerError(Code.UNAVAILABLE, answer=answer)
        code = classify(answer, protocol=protocol, default=Code.OAUTH2_EXPIRED)
        refused = code in _NO_PASSWORD or code is Code.OAUTH2_EXPIRED
        return MailServerError(self._refused if refused else code, answer=answer)

    def __call__(self, challenge: bytes) -> bytes:
        """Answer one challenge."""
        if self._sent:
            self.challenge = challenge
            return self._acknowledge
        self._sent = True
        return self.first


def bearer_mechanism(offered: set[str]) -> str | None:
    """Return which of the two to use. XOAUTH2 first: Microsoft and Google support it best."""
    return next((name for name in ("XOAUTH2", "OAUTHBEARER") if name in offered), None)
