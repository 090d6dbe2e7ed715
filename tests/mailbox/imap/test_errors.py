"""What is said of an error on a connection, and logged: enough to know what went wrong, and nothing of a mail."""

from __future__ import annotations

import imaplib

import pytest
from imapclient.exceptions import ProtocolError

from services.mailbox.imap import RefusedError
from services.mailbox.imap.async_connection import describe_error

QUOTING = [
    imaplib.IMAP4.abort("command: UID => unexpected response: b'canary'"),
    imaplib.IMAP4.abort("unexpected tagged response: b'canary\\ncanary'"),
    imaplib.IMAP4.abort("socket error: unterminated line: b'canary'"),
    ProtocolError('Tuple incomplete before "(canary"'),
    ValueError("invalid literal for int() with base 10: b'canary'"),
    KeyError("canary"),
    UnicodeDecodeError("utf-8", b"canary", 0, 1, "canary"),
]
TELLING = {
    "the server closed the connection": imaplib.IMAP4.abort("command: UID => the server closed the connection"),
    "Suggested Backoff Time: 300000": imaplib.IMAP4.abort("System Error (Suggested Backoff Time: 300000)"),
    "no such folder": imaplib.IMAP4.error("EXAMINE: NO no such folder"),
    "timed out": TimeoutError("timed out"),
}


@pytest.mark.parametrize("error", QUOTING, ids=lambda error: type(error).__name__)
def test_what_a_library_quotes_is_left_out(error: Exception) -> None:
    """The text of an error about an answer that could not be parsed quotes the answer, which may be a mail."""
    assert "canary" not in describe_error(error)
    assert type(error).__name__ in describe_error(error)


@pytest.mark.parametrize("words", TELLING)
def test_what_a_server_says_is_kept(words: str) -> None:
    """The text of a server's refusal or goodbye, and of the system's error, is kept."""
    assert words in describe_error(TELLING[words])


REFUSALS = {
    "UID command error: BAD [b'Request is throttled. Suggested Backoff Time: 299961 milliseconds']": (
        ("bad", "", True, 299.961, "Request is throttled. Suggested Backoff Time: 299961 milliseconds")
    ),
    "FETCH: NO [UNAVAILABLE] later": ("no", "UNAVAILABLE", True, 0.0, "[UNAVAILABLE] later"),
    "EXAMINE: NO [inuse] locked": ("no", "INUSE", True, 0.0, "[inuse] locked"),
    "FETCH: NO [OVERQUOTA] Account exceeded command or bandwidth limits": (
        ("no", "OVERQUOTA", True, 0.0, "[OVERQUOTA] Account exceeded command or bandwidth limits")
    ),
    "EXAMINE: NO [NONEXISTENT] no such folder": ("no", "NONEXISTENT", False, 0.0, "[NONEXISTENT] no such folder"),
    "FETCH: NO message is damaged": ("no", "", False, 0.0, "message is damaged"),
    "EXAMINE: NO ": ("no", "", False, 0.0, ""),
}
"""What imaplib or this package says of a refusal: its kind, code, whether it may pass, the suggested pause, the server's words."""


@pytest.mark.parametrize("message", REFUSALS)
def test_a_refusal_says_whether_it_may_pass(message: str) -> None:
    """The answer's code, the server's words, and the pause that it asks for are read from the tagged answer."""
    error = RefusedError(describe_error(imaplib.IMAP4.error(message)))
    assert (error.kind, error.code, error.passing, error.pause, error.text) == REFUSALS[message]
