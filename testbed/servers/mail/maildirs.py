"""The Maildirs of Courier's users: Maildir++, as `maildirmake.courier` makes them."""

from __future__ import annotations

import itertools
import os
import pwd
import time
from pathlib import Path

from testbed.servers.mail.settings import MailSettings

_FOLDERS = ("Drafts", "Sent", "Trash", "Junk", "Archive")
_numbers = itertools.count(1)


class Maildirs:
    """A folder of homes."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._homes = settings.folder / "mail"

    def home(self, address: str) -> Path:
        """Return a user's home, with a mailbox in it."""
        home = self._homes / address.lower()
        if not home.exists():
            new = self._homes / f".{address.lower()}"
            self._settings.own(new)
            self._make(new / "Maildir")
            for name in _FOLDERS:
                self._make(new / "Maildir" / f".{name}")
                marker = new / "Maildir" / f".{name}" / "maildirfolder"
                marker.touch()
                self._settings.give(marker)
            new.rename(home)
            # Courier's index of the mailboxes of which other users see what they have rights on.
            who = pwd.getpwnam(self._settings.user)
            with (self._settings.folder / "shared").open("a") as index:
                index.write(f"{address.lower()}\t{who.pw_uid}\t{who.pw_gid}\t{home}\tMaildir\n")
        return home

    def deliver(self, address: str, raw: bytes) -> None:
        """Put mail into a user's inbox, as maildrop does: with the line ends of a Unix file."""
        maildir = self.home(address) / "Maildir"
        content = raw.replace(b"\r\n", b"\n")
        name = f"{time.time_ns() // 10**9}.M{next(_numbers)}P{os.getpid()}.courier,S={len(content)}"
        part = maildir / "tmp" / name
        part.write_bytes(content)
        self._settings.give(part)
        part.rename(maildir / "new" / name)

    def _make(self, maildir: Path) -> None:
        self._settings.own(maildir, *(maildir / name for name in ("cur", "new", "tmp")))
