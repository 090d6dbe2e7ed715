"""The demo's servers, stages and mailboxes. Mailboxes are touched as a phone would: by IMAP, with the standard library."""

from __future__ import annotations

import base64
import os
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.demo.phone import Phone
from testbed.identity.part import CLIENT_ID, CLIENT_SECRET
from testbed.local import LocalServers
from testbed.local.settings_file import write_settings
from testbed.samples.company import USERS
from testbed.samples.person import User

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".demo"
_END_SECONDS = 30
_CODE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs."""

    servers: LocalServers
    environment: dict[str, str]
    passwords: dict[str, str]
    """By user key."""

    def leadmail(self, *arguments: str, stdin: str | None = None) -> str:
        """Run the ``leadmail`` command as a person would and return what it prints.

        Raises:
            RuntimeError: it failed; the text has what it said.
        """
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=ROOT,
            env=self.environment | {"COLUMNS": os.environ.get("COLUMNS", "150")},
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"leadmail {shlex.join(arguments)} ended with {done.returncode}: {done.stderr or done.stdout}"
            )
        return done.stdout

    def mailbox(self, user: User) -> Phone:
        """Return a user's mailbox as a phone sees it."""
        return Phone(self.servers.imap.host, self.servers.imap.port, user.addresses[0], self.passwords[user.key])

    @property
    def signs_in(self) -> bool:
        """Whether a mailbox is connected by a sign-in: a mail server in a container does not reach the identity server."""
        return self.servers.hosting == "processes"

    def enter_code(self, user: User) -> None:
        """Enter the code that a command shows, in the browser of a user."""
        identity, end = self.servers.identity, time.monotonic() + _CODE_SECONDS
        while not (codes := identity.codes()):
            if time.monotonic() > end:
                return  # the command says why
            time.sleep(0.1)
        identity.enter_code(codes[-1], user.addresses[0], self.passwords[user.key])

    def write_environment(self) -> Path:
        """Write a file that lets another terminal use the running demo."""
        file = FOLDER / "env"
        write_settings(file, self.environment)
        return file


def sign_in_settings(servers: LocalServers) -> dict[str, str]:
    """Return the settings of the company's own sign-in service: the identity server."""
    return {
        "LEADMAIL_OAUTH_NAME": "Northwind",
        "LEADMAIL_OAUTH_ISSUER": servers.identity.issuer,
        "LEADMAIL_OAUTH_CLIENT_ID": CLIENT_ID,
        "LEADMAIL_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "LEADMAIL_OAUTH_IMAP": f"none://{servers.imap.host}:{servers.imap.port}",
        "LEADMAIL_OAUTH_SMTP": f"none://{servers.smtp.host}:{servers.smtp.port}",
    }


@contextmanager
def open_world() -> Iterator[World]:
    """Start the servers and give every user a mailbox; all of them stop at the end of the block."""
    with LocalServers() as servers:
        environment = {
            **{
                name: value for name, value in os.environ.items() if name != "LEADMAIL_HOSTING"
            },  # it is not a setting of Leadmail
            **servers.environment(),
            "LEADMAIL_SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "LEADMAIL_MAIL_FROM": "Leadmail <leadmail@northwind-instruments.example>",
            "LEADMAIL_LOG_LEVEL": "warning",
            "LEADMAIL_CONSOLE_URL": "http://127.0.0.1:8080",
            "LEADMAIL_POLL_SECONDS": "10",
        }
        if servers.hosting == "processes":
            environment |= sign_in_settings(servers)
        passwords = {user.key: secrets.token_urlsafe(12) for user in USERS}
        for user in USERS:
            servers.add_user(user.addresses[0], passwords[user.key])
        yield World(servers, environment, passwords)


@contextmanager
def stages(world: World) -> Iterator[Callable[[], None]]:
    """Run all stages as ``leadmail run`` does, with their log in a file; they stop in order at the end of the block.

    Yields a function that raises RuntimeError once they have exited by themselves.
    """
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "stages.log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "run"],
            cwd=ROOT,
            env=world.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,  # only this process gets Ctrl-C; it stops them in order
        )

        def check() -> None:
            if running.poll() is not None:
                raise RuntimeError(f"the stages ended by themselves: see {FOLDER.name}/stages.log")

        try:
            yield check
        finally:
            running.terminate()
            running.wait(_END_SECONDS)
