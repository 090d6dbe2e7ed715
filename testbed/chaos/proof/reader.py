"""The independent reader: reads the IMAP server with the standard library alone. Shares no code with the services."""

from __future__ import annotations

import hashlib
import imaplib
import re
import unicodedata
from collections.abc import Iterator
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import NamedTuple

from testbed.chaos.proof.mailbox import Mailbox

SYNCHRONISED = ("\\Trash", "\\Junk", "\\Drafts", "\\Noselect", "\\NonExistent")
"""Folders with none of these attributes are."""
_AT_ONCE = 200
_LIST = re.compile(rb'\(([^)]*)\) (?:"[^"]*"|NIL) "?([^"]*)"?$')
_UID = re.compile(rb"UID (\d+)")
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_ROLES = ("from", "sender", "to", "cc", "reply-to")


class ServerMail(NamedTuple):
    """What a mail says, as far as identity, records and threads go."""

    identity: str
    message_id: str | None
    references: frozenset[str]
    """Message-IDs of In-Reply-To and References, its own left out."""
    participants: frozenset[tuple[str, str]]
    """(address, role) of all but Bcc."""
    bcc: frozenset[str]


class ServerCopy(NamedTuple):
    """A message in a folder of an account."""

    account: str
    folder: bytes
    """Its name as the server lists it."""
    uidvalidity: int
    uid: int


class Held(NamedTuple):
    """A copy with its flags and what it says."""

    copy: ServerCopy
    flags: frozenset[str]
    mail: ServerMail


class Reader:
    """Reads mailboxes. Each body is read once: a uid's content never changes (RFC 3501 section 2.3.1.1)."""

    def __init__(self) -> None:
        self._mails: dict[ServerCopy, ServerMail] = {}

    def uids(self, account: str, mailbox: Mailbox) -> dict[ServerCopy, frozenset[str]]:
        """Return the flags of every copy in the synchronised folders of a mailbox."""
        with mailbox.opened() as client:
            return {copy: flags for there in _by_folder(client, account) for copy, flags in there.items()}

    def read(self, account: str, mailbox: Mailbox) -> list[Held]:
        """Return every copy in the synchronised folders of a mailbox with what it says."""
        held: list[Held] = []
        with mailbox.opened() as client:
            for flags in _by_folder(client, account):
                new = [copy for copy in flags if copy not in self._mails]
                for start in range(0, len(new), _AT_ONCE):
                    wanted = ",".join(str(copy.uid) for copy in new[start : start + _AT_ONCE])
                    for uid, _, raw in _fetch(client, wanted, "(UID BODY.PEEK[])"):
                        self._mails[new[start]._replace(uid=uid)] = read_mail(raw, account)
                held += [Held(copy, flags[copy], self._mails[copy]) for copy in flags if copy in self._mails]
        return held


def _by_folder(client: imaplib.IMAP4, account: str) -> Iterator[dict[ServerCopy, frozenset[str]]]:
    """Open each synchronised folder, and yield the flags of every copy in it."""
    for folder in folders(client):
        if (uidvalidity := _examine(client, folder)) is not None:
            yield {
                ServerCopy(account, folder, uidvalidity, uid): flags
                for uid, flags, _ in _fetch(client, "1:*", "(UID FLAGS)")
            }


def folders(client: imaplib.IMAP4) -> list[bytes]:
    """Return the names of the synchronised folders."""
    _, lines = client.list()
    found = []
    for line in lines:
        match = _LIST.match(line if isinstance(line, bytes) else b"")
        attributes = {each.lower() for each in match[1].decode().split()} if match else set()
        if match and attributes.isdisjoint(each.lower() for each in SYNCHRONISED):
            found.append(match[2])
    return found


def _examine(client: imaplib.IMAP4, folder: bytes) -> int | None:
    """Open a folder; None if it does not exist. Dovecot 2.3 still lists a deleted folder that has subfolders."""
    status, answer = client.select(f'"{folder.decode()}"', readonly=True)
    if status == "NO" and b"Mailbox doesn't exist" in b"".join(filter(None, answer)):
        return None
    if status != "OK":
        raise imaplib.IMAP4.error(f"EXAMINE {folder!r}: {answer!r}")
    return int(client.response("UIDVALIDITY")[1][0])


def _fetch(client: imaplib.IMAP4, uids: str, what: str) -> Iterator[tuple[int, frozenset[str], bytes]]:
    _, answer = client.uid("FETCH", uids, what)
    for item in answer:
        head, raw = item if isinstance(item, tuple) else (item, b"")
        if head and (uid := _UID.search(head)):
            flags = _FLAGS.search(head)
            names = flags[1].decode().split() if flags else []
            yield int(uid[1]), frozenset(name for name in names if name != "\\Recent"), raw


def read_mail(raw: bytes, account: str) -> ServerMail:
    """Return what a raw mail says. Two with the same identity are the same email; without a Message-ID only within one account."""
    mail = message_from_bytes(raw)
    message_id = next(iter(_ids(mail, "Message-ID")), None)
    people = {(address, role) for role in _ROLES for address in _addresses(mail, role)}
    parts = [
        f"{hashlib.sha256(part.get_payload(decode=True) or b'').hexdigest()} {part.get_content_type()} {part.get_filename()}"  # type: ignore[arg-type]
        for part in mail.walk()
        if not part.is_multipart()
    ]
    # What readers are shown beside that: names, other addresses of the sender, and what is answered.
    named = [f"{name} <{address}>" for role in _ROLES for name, address in getaddresses(_values(mail, role))]
    answered = [*_ids(mail, "In-Reply-To"), "", *_ids(mail, "References")]
    date = str(mail["Date"] or "")
    facts = (
        message_id or f"none in {account}",
        str(int(parsedate_to_datetime(date).timestamp())) if date else "",
        *(",".join(sorted(address for address, role in people if role == kind)) for kind in ("from", "to", "cc")),
        unicodedata.normalize("NFC", str(make_header(decode_header(str(mail["Subject"] or ""))))),
        *parts,
        *named,
        *answered,
    )
    return ServerMail(
        identity=hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32],
        message_id=message_id,
        references=frozenset((*_ids(mail, "In-Reply-To"), *_ids(mail, "References"))) - {message_id or ""},
        participants=frozenset(people),
        bcc=frozenset(_addresses(mail, "bcc")),
    )


def _ids(mail: Message, header: str) -> list[str]:
    return re.findall(r"<([^<>\s]+)>", str(mail[header] or ""))


def _addresses(mail: Message, header: str) -> set[str]:
    return {address.lower() for _, address in getaddresses(_values(mail, header)) if address}


def _values(mail: Message, header: str) -> list[str]:
    return [str(each) for each in mail.get_all(header, [])]
