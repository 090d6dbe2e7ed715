"""The commands themselves, blocking, on a ``MailClient``; to be called in a thread.

Everything is read from imaplib's raw answers (see ``imap_answers``). Folder names go out as they came in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from imapclient.exceptions import IMAPClientError
from imapclient.imapclient import _quoted

from services.mailbox.imap import imap_answers
from services.mailbox.imap.imap_answers import Fetched, Listed, UidRanges
from services.mailbox.imap.imap_client import MailClient

HEADER_ITEMS = "UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER]"
GMAIL_ITEMS = "X-GM-MSGID X-GM-LABELS"
STATUS_ITEMS = "MESSAGES UIDNEXT UIDVALIDITY"

_EVENTS = ("EXISTS", "EXPUNGE", "VANISHED", "FETCH", "STATUS", "LIST")


class Selected(NamedTuple):
    """What a server says when a folder is opened."""

    exists: int
    uidvalidity: int
    uidnext: int
    highestmodseq: int | None


def quoted(name: bytes) -> bytes:
    """Return a raw folder name as a command takes it: quoted, or (8-bit) as a literal."""
    wire: bytes = _quoted(b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')
    wire.original = name  # type: ignore[attr-defined]  # what IMAPClient sends as a literal
    return wire


def raw(
    client: MailClient, command: bytes, arguments: list[bytes], *, answers: tuple[str, ...] = ()
) -> dict[str, list[Any]]:
    """Run a command that takes no uids; returns the untagged answers. ``answers`` names those that are its own."""
    _keep_events(client, answers)
    typ, data = client._raw_command(command, arguments, uid=False)  # noqa: SLF001 - the only way to send 8-bit names
    return checked(client._imap.untagged_responses, command.decode(), typ, data)  # noqa: SLF001 - our own class


def _uid(client: MailClient, command: str, *arguments: str) -> dict[str, list[Any]]:
    _keep_events(client, (command,))
    imap = client._imap  # noqa: SLF001 - the protocol object is our own class
    typ, data = imap._simple_command("UID", command, *arguments)  # noqa: SLF001 - imap.uid() takes the answer apart
    return checked(imap.untagged_responses, command, typ, data)


def _keep_events(client: MailClient, answers: tuple[str, ...]) -> None:
    """Forget earlier answers, but not what the server said by itself meanwhile: it will not say it again."""
    said = client._imap.untagged_responses  # noqa: SLF001 - the protocol object is our own class
    for kind in [kind for kind in said if kind in answers or kind not in _EVENTS]:
        del said[kind]


def _fetch(client: MailClient, *arguments: str) -> list[Fetched]:
    """FETCH; flags that come unasked for among the answers stay behind as an event."""
    earlier = "FETCH" in client._imap.untagged_responses  # noqa: SLF001 - the protocol object is our own class
    answers = _uid(client, "FETCH", *arguments)
    found = imap_answers.fetched(answers.pop("FETCH", []))
    asked = [message for message in found if message.header is not None or message.body is not None]
    if earlier or len(asked) < len(found):
        answers["FETCH"] = [b"0 (FLAGS ())"]
    return asked


def checked(answers: dict[str, list[Any]], command: str, typ: str, data: list[Any]) -> dict[str, list[Any]]:
    """Return the untagged answers of a command that succeeded; raises IMAPClientError for NO."""
    if typ != "OK":
        words = data[0].decode("utf-8", "replace") if data and isinstance(data[0], bytes) else ""
        raise IMAPClientError(f"{command}: {typ} {words}")
    return answers


def enable_qresync(client: MailClient) -> bool:
    """Switch QRESYNC on, which switches CONDSTORE on too (RFC 7162 section 3.2.3); returns whether the server did."""
    answers = raw(client, b"ENABLE", [b"QRESYNC"])
    return any(b"QRESYNC" in words.upper() for words in answers.pop("ENABLED", []) if words)


def list_plain(client: MailClient) -> list[Listed]:
    """LIST as every server has it."""
    return imap_answers.listed(raw(client, b"LIST", [b'""', b'"*"'], answers=("LIST",)).pop("LIST", []))


def list_extended(client: MailClient, status: bool, modseq: bool) -> tuple[list[Listed], dict[bytes, dict[str, int]]]:
    """LIST with SPECIAL-USE (RFC 6154) and STATUS (RFC 5819) in one answer."""
    items = (STATUS_ITEMS + " HIGHESTMODSEQ") if modseq else STATUS_ITEMS
    wanted = f"(SPECIAL-USE STATUS ({items}))" if status else "(SPECIAL-USE)"
    answers = raw(client, b"LIST", [b'""', b'"*"', b"RETURN", wanted.encode()], answers=("LIST", "STATUS"))
    return imap_answers.listed(answers.pop("LIST", [])), imap_answers.statuses(answers.pop("STATUS", []))


def status(client: MailClient, folder: bytes, modseq: bool) -> dict[str, int]:
    """STATUS of one folder."""
    items = f"({STATUS_ITEMS} HIGHESTMODSEQ)" if modseq else f"({STATUS_ITEMS})"
    answers = raw(client, b"STATUS", [quoted(folder), items.encode()], answers=("STATUS",)).pop("STATUS", [])
    return next(iter(imap_answers.statuses(answers[-1:]).values()), {}) if answers else {}


def examine(client: MailClient, folder: bytes, condstore: bool) -> Selected:
    """EXAMINE, with CONDSTORE where offered (RFC 7162 section 3.1.8)."""
    imap = client._imap  # noqa: SLF001 - the protocol object is our own class
    imap.is_readonly = True
    imap.untagged_responses.clear()
    answers = raw(client, b"EXAMINE", [quoted(folder), *([b"(CONDSTORE)"] if condstore else [])])
    imap.state = "SELECTED"
    exists = imap_answers.number(answers.get("EXISTS", [])) or 0
    uidnext = imap_answers.number(answers.get("UIDNEXT", []))
    validity = imap_answers.number(answers.get("UIDVALIDITY", []))
    modseq = imap_answers.number(answers.get("HIGHESTMODSEQ", []))
    imap.untagged_responses.clear()
    if uidnext is None:  # a few servers leave it out
        newest = search(client, "*") if exists else []
        uidnext = max(newest, default=0) + 1
    return Selected(exists, validity or 0, uidnext, modseq or None)


def search(client: MailClient, uids: str) -> list[int]:
    """UID SEARCH UID: which of these are there."""
    return imap_answers.searched(_uid(client, "SEARCH", "UID", uids).pop("SEARCH", []))


def headers(client: MailClient, uids: str, gmail: bool) -> list[Fetched]:
    """Header blocks and what the ledger keeps of each copy."""
    items = f"({HEADER_ITEMS} {GMAIL_ITEMS})" if gmail else f"({HEADER_ITEMS})"
    return sorted((message for message in _fetch(client, uids, items) if message.header is not None), key=_uid_of)


def bodies(client: MailClient, uids: Sequence[int]) -> dict[int, bytes]:
    """Whole mails. ``BODY.PEEK[]``: it sets no flag, and iCloud's RFC822 comes without body."""
    answers = _fetch(client, imap_answers.uid_set(uids), "(UID BODY.PEEK[])")
    return {message.uid: message.body for message in answers if message.body is not None}


def part(client: MailClient, uid: int, offset: int, size: int) -> bytes:
    """A piece of one mail (RFC 3501 section 6.4.5, partial); empty past its end."""
    answers = _fetch(client, str(uid), f"(UID BODY.PEEK[]<{offset}.{size}>)")
    return next((message.body for message in answers if message.uid == uid and message.body is not None), b"")


def flags(
    client: MailClient, uids: str, since: int | None, vanished: bool, gmail: bool
) -> tuple[list[Fetched], UidRanges]:
    """Flags, all or changed since a modification sequence; with QRESYNC also the uids expunged since then."""
    items = "(UID FLAGS X-GM-LABELS)" if gmail else "(UID FLAGS)"
    modifier = [] if since is None else [f"(CHANGEDSINCE {since}{' VANISHED' if vanished else ''})"]
    answers = _uid(client, "FETCH", uids, items, *modifier)
    changed = [message for message in imap_answers.fetched(answers.pop("FETCH", [])) if message.flags is not None]
    return changed, imap_answers.uid_ranges(answers.pop("VANISHED", [])) if vanished and since is not None else []


def _uid_of(message: Fetched) -> int:
    return message.uid
