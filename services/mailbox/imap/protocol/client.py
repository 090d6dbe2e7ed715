"""IMAPClient, around the protocol object."""

from __future__ import annotations

import imaplib
from typing import Any

from imapclient import IMAPClient, SocketTimeout

from services.mailbox.connection import refuse_line_breaks
from services.mailbox.imap.protocol.notices import EVENTS, condense
from services.mailbox.imap.protocol.protocol import ImapProtocol
from services.mailbox.imap.protocol.reading import Answers
from services.mailbox.imap.protocol.response_lines import shared, with_implied


class MailClient(IMAPClient):  # type: ignore[misc]  # imapclient has no types
    """IMAPClient over an ``ImapProtocol``. Blocking.

    After any error but a plain NO or BAD discard it with ``shutdown()``; ``logout()`` would wait for an answer that never comes.
    """

    def __init__(self, protocol: ImapProtocol, *, read_timeout: float) -> None:
        """Wrap a connected protocol object; ``read_timeout`` (seconds) bounds one silent wait."""
        self.protocol = protocol
        super().__init__(protocol.host, protocol.port, ssl=False, timeout=SocketTimeout(read_timeout, read_timeout))
        # IMAPClient has just set imaplib's debug level to its highest, and given it a logger of its own.
        protocol.debug = 0
        vars(protocol).pop("_mesg", None)

    def command(self, name: str, *arguments: bytes, own: tuple[str, ...] = ()) -> Answers:
        """Run a command that takes no uids and return the untagged responses. 8-bit arguments travel as literals.

        ``own`` names the kinds of response that answer this command.
        """
        self._forget_answers(own)
        # private: imaplib sends one literal at most, and only at a command's end; folder names may need one in the middle
        typ, data = self._raw_command(name.encode("ascii"), list(arguments), uid=False)
        _require_ok(name, typ, data)
        return self.protocol.untagged_responses

    def uid_command(self, name: str, *arguments: str, literals: int = 0) -> list[Any]:
        """Run UID SEARCH or UID FETCH and return its responses; the others stay in ``protocol.untagged_responses``.

        ``literals`` bounds the bytes of literals in its answers.
        """
        self._forget_answers((name,))
        self.protocol.literals_expected = literals
        typ, data = self.protocol.uid(name, *arguments)
        _require_ok(name, typ, data)
        return [] if data == [None] else data

    def id_(self, parameters: dict[str, str] | None = None) -> None:
        """ID (RFC 2971). IMAPClient's own parses the answer, and overflows the stack on nested brackets."""
        words = [f'"{_escaped(word)}"' for pair in (parameters or {}).items() for word in pair]
        typ, data = self.protocol.xatom("ID", f"({' '.join(words)})" if words else "NIL")
        _require_ok("ID", typ, data)

    def noop(self) -> None:
        """NOOP. What the server reports stays in ``protocol.untagged_responses``: IMAPClient's own fails on lines that it cannot parse."""
        typ, data = self.protocol.noop()
        _require_ok("NOOP", typ, data)
        condense(self.protocol.untagged_responses)

    def _forget_answers(self, own: tuple[str, ...]) -> None:
        """Drop earlier answers, but keep events: the server will not repeat them."""
        kept = self.protocol.untagged_responses
        for kind in [kind for kind in kept if kind in own or kind not in EVENTS]:
            del kept[kind]
        condense(kept)

    def capabilities(self) -> tuple[bytes, ...]:
        """Return what the server offers, in capitals, with what IMAP4rev2 includes."""
        found = (name.decode("ascii", "replace") for name in super().capabilities())
        return shared(tuple(name.encode() for name in with_implied(found)))

    # Private members that are overridden.

    def _create_IMAP4(self) -> ImapProtocol:  # noqa: N802 - IMAPClient's name
        """Return the given protocol object: IMAPClient would resolve the name and connect by itself."""
        return self.protocol

    def _normalise_capabilites(self, raw_response: Any) -> tuple[bytes, ...]:
        """Have connections share what they are offered with the answer to the login, too."""
        return shared(super()._normalise_capabilites(raw_response))

    def _do_capabilites(self) -> tuple[bytes, ...]:
        """Ask for the capabilities. IMAPClient's own fails on an answer without any."""
        typ, data = self.protocol.capability()
        _require_ok("CAPABILITY", typ, data)
        if not data or not isinstance(data[-1], bytes):
            raise imaplib.IMAP4.abort("no CAPABILITY response from server")
        return shared(tuple(data[-1].upper().split()))

    def _raw_command(self, command: bytes, args: Any, uid: bool = True) -> Any:
        """Refuse line breaks in SEARCH, FETCH and the like, which IMAPClient sends past ``ImapProtocol._command``."""
        for argument in args if isinstance(args, (list, tuple)) else [args]:
            if argument.isascii():  # 8-bit arguments travel as counted literals, which may contain line breaks
                refuse_line_breaks(argument)
        return super()._raw_command(command, args, uid=uid)


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"')


def _require_ok(command: str, typ: str, data: list[Any]) -> None:
    """Raise imaplib's error for a NO."""
    if typ != "OK":
        words = data[0].decode("utf-8", "replace") if data and isinstance(data[0], bytes) else ""
        raise imaplib.IMAP4.error(f"{command}: {typ} {words}")
