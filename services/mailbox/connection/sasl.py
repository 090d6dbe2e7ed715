"""The SASL exchanges in use, as callables that take the server's challenge and return our answer (both decoded from base64)."""

from __future__ import annotations

from collections.abc import Callable

from services.mailbox.connection.line_breaks import refuse_line_breaks

Exchange = Callable[[bytes], bytes]


def plain(username: str, password: str) -> Exchange:
    """PLAIN (RFC 4616): one message, UTF-8."""
    refuse_line_breaks(username, password)
    message = b"\0" + username.encode() + b"\0" + password.encode()
    return lambda _challenge: message


def login(username: str, password: str) -> Exchange:
    """LOGIN (never standardised): the name when first asked, then the password. The prompts differ between servers."""
    refuse_line_breaks(username, password)
    answers = iter((username.encode(), password.encode()))
    return lambda _challenge: next(answers, b"")


class Bearer:
    """XOAUTH2 (Google's and Microsoft's) or OAUTHBEARER (RFC 7628): the token; on an error challenge, the empty reply it wants.

    ``challenge`` is what the server said against it: JSON with ``status`` (400, 401) and ``scope``, or empty.
    """

    def __init__(self, mechanism: str, username: str, token: str) -> None:
        """``mechanism`` is ``XOAUTH2`` or ``OAUTHBEARER``."""
        refuse_line_breaks(username, token)
        if "\1" in username + token:
            raise ValueError("a user name or token contains a control character")
        self.challenge = b""
        self._sent = False
        if mechanism == "OAUTHBEARER":
            escaped = username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
            self.first = f"n,a={escaped},\1auth=Bearer {token}\1\1".encode()
            self._acknowledge = b"\1"
        else:
            self.first = f"user={username}\1auth=Bearer {token}\1\1".encode()
            self._acknowledge = b""

    def __call__(self, challenge: bytes) -> bytes:
        """Answer one challenge."""
        if self._sent:
            self.challenge = challenge
            return self._acknowledge
        self._sent = True
        return self.first


def bearer_mechanism(offered: set[str]) -> str | None:
    """Return which of the two to use. XOAUTH2 first: Microsoft and Google both know it best, and Google offers the two alike."""
    return next((name for name in ("XOAUTH2", "OAUTHBEARER") if name in offered), None)
