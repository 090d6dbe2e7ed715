"""Small mails between a user and one contact, for tests that count messages; and CLI commands on a deployment."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime

from testbed.samples.company import CONTACTS
from testbed.samples.model import SampleMail, Truth
from testbed.samples.person import User
from tests.e2e.deployment import ROOT, Deployment

CONTACT = CONTACTS[0]
_AT = datetime(2026, 11, 2, 9, tzinfo=UTC)


def small(user: User, name: str, text: bytes = b"Hello", *, media_type: bytes = b"text/plain") -> SampleMail:
    """Return a mail from the contact to a user, in the inbox; ``name`` makes it unique."""
    raw = (
        f"From: {CONTACT.name} <{CONTACT.addresses[0]}>\r\nTo: {user.addresses[0]}\r\nSubject: {name}\r\n"
        f"Message-ID: <{name}.{user.key}@mail.example>\r\nDate: Mon, 2 Nov 2026 09:00:00 +0000\r\n"
    ).encode()
    raw += b"MIME-Version: 1.0\r\nContent-Type: " + media_type + b"\r\n\r\n" + text + b"\r\n"
    return SampleMail(user.key, "INBOX", (), _AT, raw, Truth(name, name, name, "Hello", "ascii"))


async def leadmail(deployment: Deployment, *arguments: str) -> bytes:
    """Run a command as an operator does; returns what it printed."""

    def run() -> bytes:
        command = [sys.executable, "-m", "services.cli", *arguments]
        environment = {**deployment.environment, "COLUMNS": "300"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return await asyncio.to_thread(run)


def pour(deployment: Deployment, user: User, count: int) -> None:
    """Put many small mails into a user's empty inbox: as files if the mail server is a process here, otherwise over IMAP."""
    if deployment.servers.hosting != "processes":
        deployment.phone(user).fill([small(user, f"old-{number}") for number in range(count)])
        return
    folder = deployment.servers.maildir(deployment.addresses[user.key])
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(count):
        mail = small(user, f"old-{number}").raw
        (folder / "new" / f"1793523600.M{number}P1.mail,S={len(mail)},W={len(mail)}").write_bytes(mail)
    if os.geteuid() == 0:  # otherwise the mail server runs as we do
        owner = folder.parent.parent.stat()
        for path in (folder.parent, *folder.parent.rglob("*")):
            shutil.chown(path, owner.st_uid, owner.st_gid)
