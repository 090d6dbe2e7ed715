"""How answers are read: imaplib's private members that do so, each replaced by one that bounds what it keeps and forgives dialects."""

from __future__ import annotations

import imaplib
import random
import re
import socket
import ssl
from typing import Any, TypeAlias

from services.mailbox.imap.protocol.deadline_socket import MAX_EARLY_LINE, MAX_LINE, AnswerTooLargeError, DeadlineSocket
from services.mailbox.imap.protocol.notices import EVENTS
from services.mailbox.imap.protocol.response_lines import (
    STATUSES,
    esearch_uids,
    literal_size,
    parse_line,
    response_code,
    with_implied,
)

CLOSED = "the server closed the connection"
Answers: TypeAlias = dict[str, list[Any]]
"""Untagged responses by kind, each in imaplib's form (see ``tokens.Item``)."""
MAX_ANSWER, MAX_EARLY_ANSWER = 20 * 1024 * 1024, 1024 * 1024
"""Bytes of all answers to one command without the literals that were asked for; and before the login."""
MAX_LITERALS = 24 * 1024 * 1024
"""Bytes of all literals in the answers to one command."""
FEW_LITERALS = 1024 * 1024
"""The same for commands that ask for none: names of folders may come as such."""
_PLAIN = STATUSES | {"CAPABILITY", "ENABLED", "SEARCH", "ESEARCH", "EXISTS", "EXPUNGE", "VANISHED"}
"""Responses in which no literal comes."""
OVERHEAD = 96
"""Bytes that one response takes in memory beside its text."""
_KEPT = STATUSES | {
    *EVENTS, "CAPABILITY", "ENABLED", "ID", "NAMESPACE", "SEARCH", "UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ",
}  # fmt: skip
"""Responses and response codes that are looked at; the others are dropped as they come."""


class UnreadableAnswerError(imaplib.IMAP4.abort):
    """The server sent a line that is none of IMAP's, or answers a command that was never sent. Discard the connection."""


class AnswerReader(imaplib.IMAP4):
    """imaplib's reading side over a ``DeadlineSocket``."""

    # imaplib's own members, which its stubs do not declare.
    untagged_responses: Answers
    tagged_commands: dict[bytes, Any]
    mo: re.Match[bytes] | None
    stream: DeadlineSocket
    tagpre: bytes  # type: ignore[assignment]  # its stubs say str
    welcome: bytes
    continuation_response: bytes  # type: ignore[assignment]

    def __init__(
        self, sock: socket.socket, host: str, port: int, *, read_timeout: float, deadline: float | None = None
    ) -> None:
        """Read the greeting and the capabilities. ``host`` is the name that a certificate must carry.

        ``sock`` is closed when that fails.
        """
        self.stream = DeadlineSocket(sock, read_timeout=read_timeout)
        self.stream.deadline = deadline
        self.sock = sock
        self.literals_expected = 0
        """Bytes of literals that the next command asks for."""
        self._room, self._literal_room = MAX_EARLY_ANSWER, 0
        """Bytes that the answers to the current command may still have."""
        try:
            super().__init__(host, port)
        except BaseException:
            self.shutdown()
            raise

    def _log(self, line: object) -> None:
        """Keep no log: imaplib's holds the last ten lines, credentials among them."""

    def print_log(self) -> None:
        """Print nothing."""

    def _match(self, cre: re.Pattern[bytes], s: bytes) -> bool:
        """Match without imaplib's debug formatting, once per line and pattern."""
        self.mo = cre.match(s)
        return self.mo is not None

    def _get_line(self) -> bytes:
        """Read a line; let time-outs through, and do not quote in an error what may be mail."""
        try:
            line = self.readline()
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            raise self.abort(CLOSED) from error
        if line.endswith(b"\n"):  # a few servers leave out the CR
            return line[:-1].removesuffix(b"\r")
        raise self.abort(CLOSED)

    def _connect(self) -> None:
        """Read the greeting and the capabilities. imaplib's own accepts no server that has only IMAP4rev2 (RFC 9051)."""
        self.tagpre = imaplib.Int2AP(random.randint(4096, 65535))  # noqa: S311 - as imaplib does: no secret
        self.welcome = self._get_response() or b""
        if "PREAUTH" in self.untagged_responses:
            self.state = "AUTH"
        elif "OK" in self.untagged_responses:
            self.state = "NONAUTH"
        else:
            raise self.error(self.welcome)
        self._get_capabilities()
        if not {"IMAP4REV1", "IMAP4REV2", "IMAP4"}.intersection(self.capabilities):
            raise self.error("server not IMAP4 compliant")

    def _get_capabilities(self) -> None:
        """Ask for the capabilities."""
        _, data = self.capability()
        words = data[-1] if isinstance(data[-1], bytes) else b""
        if not words:
            raise self.error("no CAPABILITY response from server")
        self.capabilities = tuple(with_implied(words.decode("ascii", "replace").upper().split()))

    def _get_response(self, *_: Any, **__: Any) -> bytes | None:
        """Read and keep one response with its literals. Returns None for a request to continue.

        imaplib's own accepts no lower case, no spaces but one, and no response without words, and keeps whatever comes.
        """
        if self.state != "LOGOUT":
            self._check_bye()  # private: raises what the server said before it closed the connection
        line = self._get_line()
        self._spend(len(line) + OVERHEAD)
        parsed = parse_line(line)
        if parsed is None or (parsed.tag and parsed.tag not in self.tagged_commands):
            raise UnreadableAnswerError("unexpected response")
        if parsed.kind == "+":
            self.continuation_response = parsed.data
            return None
        if parsed.tag:
            self.tagged_commands[parsed.tag] = (parsed.kind, [parsed.data])
        elif parsed.kind:
            self._keep(parsed.kind, parsed.data)
        if parsed.kind in STATUSES and (code := response_code(parsed.data)) and code[0] in _KEPT:
            self._append_untagged(*code)
        return line or b" "  # whatever is true

    def _keep(self, kind: str, data: bytes) -> None:
        """Keep an untagged response, and read the literals in it."""
        kept = kind in _KEPT
        while kind not in _PLAIN and (found := literal_size(data)):
            text, size = found
            if size > self._literal_room:
                raise AnswerTooLargeError("the server sent more than was asked for")
            self._literal_room -= size
            literal = self.read(size)
            if len(literal) < size:
                raise self.abort(CLOSED)
            if kept:
                self._append_untagged(kind, (text, literal))
            data = self._get_line()
            self._spend(len(data) + OVERHEAD)
        if kind == "ESEARCH":
            self._append_untagged("SEARCH", esearch_uids(data))
        elif kept:
            self._append_untagged(kind, data)

    def _allow(self) -> None:
        """Let the answers to a new command have the bytes that are due to it."""
        early = self.state in ("NONAUTH", "LOGOUT")
        self.stream.max_line = MAX_EARLY_LINE if early else MAX_LINE
        self._room = MAX_EARLY_ANSWER if early else MAX_ANSWER
        self._literal_room = 0 if early else max(FEW_LITERALS, min(self.literals_expected, MAX_LITERALS))
        self.literals_expected = 0

    def _spend(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise AnswerTooLargeError("the server sent more than was asked for")

    def _new_tag(self) -> bytes:
        """Return the tag of a new command."""
        self._allow()
        tag: bytes = super()._new_tag()  # type: ignore[misc]  # not in the stubs
        return tag

    def _command_complete(self, name: str, tag: bytes) -> tuple[str, list[bytes]]:
        """Return the tagged answer. imaplib's own replaces errors by its own, and quotes the answer as Python would."""
        logout = name == "LOGOUT"
        if not logout:
            self._check_bye()
        typ, data = self._get_tagged_response(tag, expect_bye=logout)  # private: reads up to the tagged answer
        if not logout:
            self._check_bye()
        if typ == "BAD":
            raise self.error(f"{name}: BAD {data[0].decode('utf-8', 'replace')}")
        return typ, data

    def _append_untagged(self, typ: str, dat: Any) -> None:
        """Collect an untagged response without imaplib's debug formatting."""
        self.untagged_responses.setdefault(typ, []).append(b"" if dat is None else dat)
