"""mbsync (package isync), the yardstick: with its defaults it downloads every message of a mailbox into a Maildir."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from testbed.bench.mailboxes import BenchError, MailLogin
from testbed.local import LocalServers
from testbed.processes.packages import Package, ensure

ISYNC = Package("isync", "mbsync")

# `Near` and `Far` are new in 1.4. Everything else is mbsync's default, such as fsync after each message.
_CONFIGURATION = """\
IMAPStore far
Host {host}
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
SyncState *
"""


def prepare() -> None:
    """Install mbsync if it is missing and we may.

    Raises:
        HostingError: with the command to run.
    """
    ensure([ISYNC])


def version() -> str:
    """Return what ``mbsync --version`` says, such as ``isync 1.4.4``."""
    return subprocess.run(["mbsync", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def download_seconds(servers: LocalServers, mailbox: MailLogin, where: Path) -> float:
    """Return the wall time in which mbsync downloads a whole mailbox into a new folder below ``where`` (deleted afterwards).

    Raises:
        BenchError: it failed, or did not bring every message.
    """
    content = mailbox.content
    assert content is not None
    with tempfile.TemporaryDirectory(dir=where, prefix="mbsync-") as name:
        folder = Path(name) / "mail"
        folder.mkdir()
        rc = Path(name) / "mbsyncrc"
        rc.write_text(
            _CONFIGURATION.format(
                host=servers.imap.host,
                port=servers.imap.port,
                user=mailbox.username,
                password=mailbox.password,
                folder=folder,
            )
        )
        began = time.monotonic()
        # HOME hides the configuration and state of the person who runs the bench.
        ended = subprocess.run(
            ["mbsync", "-q", "-c", str(rc), "all"],
            capture_output=True,
            text=True,
            check=False,
            env={"HOME": name, "PATH": os.environ.get("PATH", "/usr/bin:/bin")},
        )
        seconds = time.monotonic() - began
        if ended.returncode != 0:
            raise BenchError(f"mbsync failed with {ended.returncode}: {(ended.stderr or ended.stdout).strip()[-500:]}")
        brought = sum(1 for path in folder.rglob("*") if path.parent.name in {"cur", "new"} and path.is_file())
        if brought != content.messages:
            raise BenchError(f"mbsync brought {brought} of {content.messages} messages")
        shutil.rmtree(folder)
    os.sync()
    return seconds
