"""The measured mailbox: written once per share of relevant mail, then linked for each program, so that all get the same."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from testbed.local import LocalServers
from testbed.samples.bench.mailbox import FOLDERS, BenchMailbox, write_maildir
from testbed.servers.imap import log_in


class BenchError(RuntimeError):
    """The bench cannot continue, or a result is wrong; the message says which."""


@dataclass(frozen=True, slots=True)
class MailLogin:
    """A login on the mail server, and what is in its mailbox."""

    username: str
    password: str
    content: BenchMailbox | None
    """None for an empty one."""


def new_mailbox(servers: LocalServers, name: str, content: BenchMailbox | None = None) -> MailLogin:
    """Make a mail user; with ``content``, its mailbox holds that (as hard links, because messages of a Maildir are never modified)."""
    mailbox = MailLogin(f"{name}-{secrets.token_hex(3)}@bench.example", secrets.token_hex(12), content)
    servers.add_user(mailbox.username, mailbox.password)
    if content is not None:
        target = servers.maildir(mailbox.username)
        target.parent.mkdir(mode=0o700, parents=True)
        shutil.copytree(content.folder, target, copy_function=os.link)
        give_to_server(target.parent)
    return mailbox


def write_content(servers: LocalServers, *, messages: int, relevant: float, seed: int) -> BenchMailbox:
    """Write a mailbox's messages beside the mail server's mailboxes (links need the same file system)."""
    folder = servers.maildir(f"content-{relevant:.2f}-{secrets.token_hex(3)}")
    folder.parent.mkdir(mode=0o700, parents=True)
    content = write_maildir(folder, messages=messages, relevant=relevant, seed=seed)
    give_to_server(folder.parent)
    return content


def give_to_server(folder: Path) -> None:
    """Make the mail server the owner of what we wrote as root."""
    if os.geteuid() != 0:
        return  # the mail server runs as we do
    owner = folder.parent.stat()
    for path, _, names in os.walk(folder):
        os.chown(path, owner.st_uid, owner.st_gid)
        for name in names:
            os.chown(os.path.join(path, name), owner.st_uid, owner.st_gid)  # noqa: PTH118 - tens of thousands


def warm(servers: LocalServers, mailbox: MailLogin) -> None:
    """Read the sizes of all messages over IMAP, so that the server has its index; then wait until the disk is idle.

    Raises:
        BenchError: the server does not hold what was written.
    """
    content = mailbox.content
    assert content is not None
    with log_in(servers.imap.host, servers.imap.port, mailbox.username, mailbox.password) as client:
        for name in FOLDERS:
            wanted = content.folders[name][0]
            client.select(f'"{name}"', readonly=True)
            lines = client.fetch("1:*", "(UID RFC822.SIZE)")[1] if wanted else []
            if len(lines) != wanted:
                raise BenchError(f"the mail server has {len(lines)} messages in {name}, {wanted} were written")
    os.sync()
