"""The ``leadmail`` commands that set up the demo's company, here and in a Compose deployment."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

from testbed.samples.company import USERS, contacts_csv, leads_csv
from testbed.samples.person import User


class Run(Protocol):
    """Runs a ``leadmail`` command and returns what it prints."""

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run ``leadmail`` with these arguments."""


def add_user(run: Run, user: User) -> None:
    """Add a user of Leadmail."""
    run("user", "add", user.addresses[0], "--name", user.name, *(("--admin",) if user.admin else ()))


def import_records(run: Run) -> None:
    """Import the CRM's leads and contacts."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, text in (("lead", leads_csv()), ("contact", contacts_csv())):
            file = Path(folder) / f"{kind}s.csv"
            file.write_text(text, encoding="utf-8")
            run(kind, "import", str(file))


def connect(run: Run, user: User, password: str, *, imap: tuple[str, int], smtp: tuple[str, int]) -> None:
    """Connect a user's mailbox, at servers without TLS, shared as its owner wants."""
    address, *aliases = user.addresses
    arguments = ["--owner", address, "--email", address]
    arguments += [part for alias in aliases for part in ("--alias", alias)]
    for protocol, (host, port) in (("imap", imap), ("smtp", smtp)):
        arguments += [f"--{protocol}-host", host, f"--{protocol}-port", str(port), f"--{protocol}-tls", "none"]
    arguments += ["--password-stdin", "--sharing", user.sharing]
    arguments += [part for domain in user.excluded_domains for part in ("--exclude-domain", domain)]
    run("account", "add", *arguments, stdin=password)


def connect_by_sign_in(run: Run, user: User) -> None:
    """Connect a user's mailbox by a sign-in at the company's own service, with a code that the user enters in a browser."""
    arguments = ["--owner", user.addresses[0], "--sign-in", "generic", "--device", "--sharing", user.sharing]
    run("account", "add", *arguments)


def confirm_aliases(run: Run, user: User) -> None:
    """Confirm a user's further addresses as an administrator does: what is only claimed has no effect."""
    administrator = next(one.addresses[0] for one in USERS if one.admin)
    for alias in user.addresses[1:]:
        run("account", "confirm-address", user.addresses[0], alias, "--by", administrator)
