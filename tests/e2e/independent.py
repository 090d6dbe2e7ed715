"""A mailbox as the standard library reads it, and what the ledger has of it, in the same form: the two must be equal."""

from __future__ import annotations

import asyncio
import imaplib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from testbed.samples.model import SKIPPED_FOLDERS
from testbed.samples.person import User
from testbed.servers.imap import log_in, quoted
from tests.e2e.deployment import Deployment

_ENTRY = re.compile(rb'\(([^)]*)\) (?:"(.)"|NIL) "?(.*?)"?$')
_UID = re.compile(rb"UID (\d+)")
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
FOREIGN = frozenset({"Public", "Shared Folders", "Other Users", "#shared"})
"""What others own is below these names."""
Copies: TypeAlias = dict[str, dict[int, frozenset[str]]]
"""By folder, as the server writes it, the flags of each uid."""


@contextmanager
def opened(company: Deployment, user: User) -> Iterator[imaplib.IMAP4]:
    """Open a user's mailbox."""
    imap = company.servers.imap
    with log_in(imap.host, imap.port, company.addresses[user.key], company.passwords[user.key]) as client:
        yield client


def on_server(company: Deployment, user: User) -> Copies:
    """Read what is on the server in folders that are synchronised: none that is another's, deleted, junk or unsent."""
    found: Copies = {}
    with opened(company, user) as client:
        for line in client.list()[1]:
            match = _ENTRY.match(line if isinstance(line, bytes) else b"")
            assert match, line
            name, delimiter = match[3].decode(), (match[2] or b"").decode()
            parts = name.split(delimiter) if delimiter else [name]
            if b"\\Noselect" in match[1] or SKIPPED_FOLDERS & set(parts) or parts[0] in FOREIGN:
                continue
            state, _ = client.select(f'"{name}"', readonly=True)
            if state == "OK":
                found[name] = _copies(client)
    return {name: copies for name, copies in found.items() if copies}


def _copies(client: imaplib.IMAP4) -> dict[int, frozenset[str]]:
    exists = int((client.response("EXISTS")[1][0] or b"0").decode())
    if not exists:
        return {}
    _, lines = client.uid("FETCH", "1:4294967295", "(FLAGS)")
    copies = {}
    for line in lines:
        uid, flags = _UID.search(line or b""), _FLAGS.search(line or b"")
        if uid and flags:
            copies[int(uid[1])] = frozenset(flags[1].decode().split()) - {"\\Recent"}
    assert len(copies) == exists
    return copies


async def in_ledger(company: Deployment, user: User) -> Copies:
    """Return the rows of a user's ledger that are not gone."""
    account = company.accounts[user.key]
    found: Copies = {}
    for folder in await company.store.folders.of(account):
        for uidvalidity in await company.store.ledger.uidvalidities(account, folder.id):
            for row in await company.store.ledger.uids(account, folder.id, uidvalidity):
                if row.state not in ("planned", "published"):
                    flags = frozenset(row.flags) - {"\\Recent"}
                    found.setdefault(folder.raw_name.decode(), {})[row.uid] = flags
    return found


async def in_step(company: Deployment, user: User, what: str) -> Copies:
    """Wait until the ledger is what the server has, final rows only; return that."""
    seen: list[Copies] = []

    async def equal() -> bool:
        seen[:] = [await asyncio.to_thread(on_server, company, user), await in_ledger(company, user)]
        return seen[0] == seen[1]

    try:
        await company.until(equal, what, seconds=40)
    except AssertionError as error:
        server, ledger = seen
        differences = {
            name: (server.get(name), ledger.get(name))
            for name in server.keys() | ledger.keys()
            if server.get(name) != ledger.get(name)
        }
        raise AssertionError(f"{what}: server and ledger differ: {differences}\n{error}") from error
    return seen[0]


def add(client: imaplib.IMAP4, folder: str, raw: bytes, flags: str = "") -> None:
    """Put a mail into a folder."""
    state, answer = client.append(quoted(folder, client), f"({flags})", "", raw)
    assert state == "OK", answer


def remove(client: imaplib.IMAP4, folder: str, uids: str) -> None:
    """Delete mail from a folder for good; "*" is the newest."""
    client.select(quoted(folder, client))
    client.store(uids, "+FLAGS", r"(\Deleted)")
    client.expunge()


def move(client: imaplib.IMAP4, folder: str, number: str, target: str) -> None:
    """Move a mail, as a mail program does: by MOVE where there is one."""
    client.select(quoted(folder, client))
    if "MOVE" in client.capabilities:
        client._simple_command("MOVE", number, quoted(target, client))
        return
    client.copy(number, quoted(target, client))
    client.store(number, "+FLAGS", r"(\Deleted)")
    client.expunge()
