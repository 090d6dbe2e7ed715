"""What a mail server needs to know, and what it consists of. Used in containers too: only the standard library."""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_UNPRIVILEGED = "mail"  # in every Debian and Ubuntu (package base-passwd)
_PATHS = ("programs", "folder", "users", "certificate", "key")
_PORTS = ("imap_port", "imaps_port", "lmtp_port")


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Paths and ports of one server."""

    programs: Path  #: the folder that has the packages' `usr`: `/` where they are installed
    folder: Path  #: the server's own: configuration, sockets, mailboxes
    users: Path  #: a folder of passwd-files, one per user
    certificate: Path
    key: Path
    listen: str
    imap_port: int
    imaps_port: int
    lmtp_port: int

    @classmethod
    def parse(cls, arguments: list[str]) -> tuple[str, MailSettings]:
        """Return which server to run, and its settings, from a command line."""
        parser = argparse.ArgumentParser(prog="python -m testbed.servers.mail")
        parser.add_argument("kind", choices=("cyrus", "courier"))
        parser.add_argument("--listen", required=True)
        for name in _PATHS:
            parser.add_argument(f"--{name}", type=Path, required=True)
        for name in _PORTS:
            parser.add_argument(f"--{name}", type=int, required=True)
        found = vars(parser.parse_args(arguments))
        return found.pop("kind"), cls(**found)

    def arguments(self, kind: str) -> list[str]:
        """Return the command line that `parse` reads."""
        values = [f"--{name}={getattr(self, name)}" for name in ("listen", *_PATHS, *_PORTS)]
        return [kind, *values]

    def program(self, path: str) -> str:
        """Return where a program of the packages is."""
        return str(self.programs / path)

    @property
    def libraries(self) -> str:
        """The folders of the packages' libraries, for the dynamic linker."""
        found = [*(self.programs / "usr/lib").glob("*-linux-gnu"), *(self.programs / "lib").glob("*-linux-gnu")]
        return os.pathsep.join(str(path) for path in (*found, self.programs / "usr/lib"))

    @property
    def user(self) -> str:
        """Who the server runs as: an unprivileged user where we are root."""
        return _UNPRIVILEGED if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    @property
    def group(self) -> str:
        """The group of that user."""
        return grp.getgrgid(pwd.getpwnam(self.user).pw_gid).gr_name

    def own(self, *paths: Path) -> None:
        """Make folders that belong to the user whom the server runs as."""
        for path in paths:
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.give(path)

    def give(self, path: Path) -> None:
        """Give a file or folder to the user whom the server runs as."""
        if os.geteuid() == 0:
            shutil.chown(path, self.user, self.group)


@dataclass(frozen=True, slots=True)
class Commands:
    """What a server consists of."""

    commands: tuple[tuple[str, ...], ...]
    environment: Mapping[str, str]
    logins: Path  #: the socket on which it asks whether a password is right
    once: tuple[tuple[str, ...], ...] = field(default=())  #: run to their end first
