"""A mailbox as its owner's phone uses it: it stores, flags, moves and deletes mail over IMAP, directly on the server."""

from __future__ import annotations

import imaplib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from random import Random
from typing import NamedTuple

from testbed.processes.parts import ImapEndpoint
from testbed.servers.imap import log_in

FLAGS = (r"\Seen", r"\Flagged", r"\Answered", "$Followup")
_PARTS = 4
"""In which a folder's mails are copied, so that they come in another order."""


class Mailbox(NamedTuple):
    """A login. Every method opens its own connection and may raise ``imaplib.IMAP4.error`` or ``OSError``."""

    imap: ImapEndpoint
    username: str
    password: str

    @contextmanager
    def opened(self, folder: str | None = None) -> Iterator[imaplib.IMAP4]:
        """Yield a connection, with a folder selected."""
        with log_in(self.imap.host, self.imap.port, self.username, self.password) as client:
            if folder is not None:
                _expect(client.select(f'"{folder}"'))
            yield client

    def fill(self, mails: Iterable[tuple[str, bytes, int]], *, seen: bool = False) -> None:
        """Append (folder, raw, internal date in Unix time), making folders as needed."""
        made = {"INBOX"}
        with self.opened() as client:
            for folder, raw, seconds in mails:
                if folder not in made:
                    client.create(f'"{folder}"')
                    made.add(folder)
                date = imaplib.Time2Internaldate(seconds)
                _expect(client.append(f'"{folder}"', r"(\Seen)" if seen else "", date, raw))

    def flag(self, folder: str, numbers: Random) -> bool:
        """Set or remove a flag of one message; False if there is none."""
        with self.opened(folder) as client:
            if not (uids := _uids(client)):
                return False
            sign, flag = numbers.choice("++-"), numbers.choice(FLAGS)
            _expect(client.uid("STORE", numbers.choice(uids), f"{sign}FLAGS", f"({flag})"))
            return True

    def move(self, folder: str, target: str, numbers: Random, spared: frozenset[str] = frozenset()) -> bool:
        """Move one message to another folder; False if there is none, or it must be kept."""
        with self.opened(folder) as client:
            client.create(f'"{target}"')
            uid = _choose(client, numbers, spared)
            if uid is not None:
                _expect(client.uid("MOVE", uid, f'"{target}"'))
            return uid is not None

    def delete(self, folder: str, numbers: Random, spared: frozenset[str]) -> bool:
        """Delete one message permanently, unless its Message-ID must be kept; False if nothing was deleted."""
        with self.opened(folder) as client:
            uid = _choose(client, numbers, spared)
            if uid is not None:
                _expect(client.uid("STORE", uid, "+FLAGS", r"(\Deleted)"))
                _expect(client.uid("EXPUNGE", uid))
            return uid is not None

    def renew(self, folder: str, numbers: Random) -> bool:
        """Recreate a folder with its mails in another order, so that its old uids are invalid. No mail is missing at any moment."""
        aside = f"{folder} {numbers.randrange(1_000_000)}"
        with self.opened() as client:
            _expect(client.rename(f'"{folder}"', f'"{aside}"'))
            _expect(client.create(f'"{folder}"'))
            _expect(client.select(f'"{aside}"'))
            uids = _uids(client)
            numbers.shuffle(uids)
            for part in filter(None, (uids[start::_PARTS] for start in range(_PARTS))):
                _expect(client.uid("COPY", ",".join(part), f'"{folder}"'))
            client.unselect()
            _expect(client.delete(f'"{aside}"'))
        return True

    def rename(self, folder: str, target: str) -> bool:
        """Rename a folder with its subfolders; the server refuses a name that is taken."""
        with self.opened() as client:
            _expect(client.rename(f'"{folder}"', f'"{target}"'))
        return True

    def drop(self, folder: str, refuge: str, spared: frozenset[str]) -> bool:
        """Delete a folder with its mails, after moving those that must be kept to another folder. Its subfolders stay."""
        with self.opened(folder) as client:
            if kept := [uid for uid in _uids(client) if _message_id(client, uid) in spared]:
                _expect(client.uid("MOVE", ",".join(kept), f'"{refuge}"'))
            client.unselect()
            _expect(client.delete(f'"{folder}"'))
        return True


def _uids(client: imaplib.IMAP4) -> list[str]:
    _, found = client.uid("SEARCH", "ALL")
    return [uid.decode() for uid in found[0].split()]


def _choose(client: imaplib.IMAP4, numbers: Random, spared: frozenset[str]) -> str | None:
    if not (uids := _uids(client)):
        return None
    uid = numbers.choice(uids)
    return None if _message_id(client, uid) in spared else uid


def _message_id(client: imaplib.IMAP4, uid: str) -> str:
    _, answer = client.uid("FETCH", uid, "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    header = next((part[1].decode() for part in answer if isinstance(part, tuple)), "")
    return header.partition(":")[2].strip()


def _expect(answer: tuple[str, object]) -> None:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(f"the mail server said {answer!r}")
