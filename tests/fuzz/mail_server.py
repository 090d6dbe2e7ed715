"""An IMAP server's side of a connection without a network: it answers each command with the next piece of any bytes."""

from __future__ import annotations

import socket
from typing import cast

from services.mailbox.imap.protocol import ImapProtocol, MailClient

BETWEEN = b"\n\0\n"
"""What separates the answers in an input."""
TAG = b"$TAG"
"""Stands for the command's tag. An answer without it is followed by the tagged OK."""
_GREETING = (
    b"* OK [CAPABILITY IMAP4rev1 ID IDLE NAMESPACE CONDSTORE QRESYNC LIST-EXTENDED SPECIAL-USE LIST-STATUS] ready\r\n"
)
_CAPABILITY = b"* CAPABILITY IMAP4rev1 ID IDLE NAMESPACE CONDSTORE QRESYNC LIST-EXTENDED SPECIAL-USE LIST-STATUS\r\n"


class _Socket:
    """What a client reads of it is what the server says."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._ready = _GREETING
        self._idle_tag = self._sent = b""

    def sendall(self, data: bytes) -> None:
        self._sent += data
        if data.endswith(b"\r\n"):
            self._answer(self._sent)
            self._sent = b""

    def _answer(self, data: bytes) -> None:
        known = data.endswith(b" CAPABILITY\r\n")
        answer = _CAPABILITY if known else self._answers.pop(0) if self._answers else b""
        tag = data.split(b" ", 1)[0]
        if data.endswith(b" IDLE\r\n"):
            self._idle_tag = tag
        elif data == b"DONE\r\n":
            tag = self._idle_tag
        if TAG not in answer and not answer.endswith(b"+ idling\r\n"):
            answer += TAG + b" OK done\r\n"
        self._ready += answer.replace(TAG, tag)

    def recv(self, size: int) -> bytes:
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def fileno(self) -> int:
        return -1

    def settimeout(self, _seconds: float) -> None: ...

    def setblocking(self, _flag: bool) -> None: ...

    def shutdown(self, _how: int) -> None: ...

    def close(self) -> None: ...


def connected(data: bytes) -> MailClient:
    """Return a client, not logged in, of a server that answers with the pieces of some bytes."""
    fake = cast("socket.socket", _Socket(data.split(BETWEEN)))
    protocol = ImapProtocol(fake, "mail.client.example", 993, read_timeout=1)
    protocol.state = "AUTH"
    return MailClient(protocol, read_timeout=1)
