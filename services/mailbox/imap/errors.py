"""What can go wrong on a logged-in connection."""

from __future__ import annotations

import re
from typing import Literal

from schemas.errors import LeadmailError
from services.mailbox.connection import Code, classify, clean_answer, passing

_ANSWER = re.compile(r"^[\w .():]{0,60}?\b(NO|BAD)\b(?: |$)", re.IGNORECASE)
"""What imaplib and this package put before a server's words."""
_CODE = re.compile(r"^\[([A-Za-z0-9-]{1,40})[\] ]")
_QUOTES = ("[b'", '[b"')


class ConnectionLostError(LeadmailError):
    """The connection is gone, or was dropped after an error. A new one may work."""


class IdleUnansweredError(ConnectionLostError):
    """The connection was lost, or took too long, before the server answered IDLE."""


class RefusedError(LeadmailError):
    """The server answered NO or BAD to this command. The connection is still usable."""

    kind: Literal["no", "bad"]
    text: str
    """The server's words on one line, bounded."""
    code: str
    """The response code in capitals, such as ``UNAVAILABLE`` (RFC 5530); empty if there is none."""
    passing: bool
    """Whether it may pass by itself (throttling, an outage): nothing final follows from it."""
    pause: float
    """Seconds that the server asks to wait; 0 if it names none."""
    throttled: bool
    """Whether it is about the account as a whole: any other command would be refused, too."""

    def __init__(self, message: str = "") -> None:
        """``message`` names the command and has the tagged answer, as imaplib's errors do."""
        super().__init__(message)
        match = _ANSWER.search(message)
        self.kind = "bad" if match and match[1].upper() == "BAD" else "no"
        words = message[match.end() :] if match else message
        if words.startswith(_QUOTES):  # imaplib shows the answer as a list of bytes
            words = words[3:].rstrip("]").rstrip("'\"")
        self.text = clean_answer(words)
        found = _CODE.search(self.text)
        self.code = found[1].upper() if found else ""
        self.passing, self.pause = passing(self.text)
        limited = classify(self.text, protocol="imap", default=None) is Code.TOO_MANY_CONNECTIONS
        self.throttled = self.pause > 0 or (self.passing and limited)

    @property
    def nonexistent(self) -> bool:
        """Whether the folder does not exist (RFC 5530 section 3; Dovecot 2.3 says so in words only)."""
        return self.code == "NONEXISTENT" or "mailbox doesn't exist" in self.text.casefold()


class ContradictionError(LeadmailError):
    """The server's answers do not fit together. Nothing follows from them; a later attempt may get better ones."""

    def __init__(self, code: str, detail: str, *, folder: str | None = None) -> None:
        """``code`` is a stable word, ``detail`` our words without mail content, ``folder`` an id."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.folder = folder


class UnusableAnswerError(ContradictionError, ConnectionLostError):
    """An answer that is too large, out of range, or no IMAP: the connection was dropped because of it."""


class UidValidityChangedError(LeadmailError):
    """The known uids are void: another folder has the same name by now (RFC 3501 section 2.3.1.1)."""
