"""The demo's mailboxes in a compose deployment: Dovecot's files, then the mail, the users, the records and the accounts."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from typer.testing import CliRunner

from services.cli.app import app
from testbed.demo.phone import Phone
from testbed.processes.certificates import make_certificates
from testbed.processes.users import MailUsers
from testbed.samples.company import USERS, contacts_csv, leads_csv
from testbed.samples.demo_mail import DemoMail
from testbed.samples.person import User
from testbed.servers.dovecot_config import DovecotSettings, dovecot_config

FILES = Path("/demo")
"""The volume, as the services that write it see it; Dovecot has it at ``_SEEN``."""
PASSWORD = Path("/run/secrets/demo_password")
IMAP_HOST, IMAP_PORT = "demo-dovecot", 1143
SMTP_HOST, SMTP_PORT = "demo-smtp", 1025
_SEEN = PurePosixPath("/etc/leadmail")


def write_files(folder: Path, password: str) -> None:
    """Write what Dovecot and the SMTP sink read: configuration in both syntaxes, certificate, users."""
    make_certificates(folder)
    settings = DovecotSettings(
        run=PurePosixPath("/run/leadmail"),
        mail=PurePosixPath("/srv/mail"),
        users=_SEEN / "users",
        certificate=_SEEN / "server.pem",
        key=_SEEN / "server.key",
        log="/dev/stderr",
        listen="*",
        imap_port=IMAP_PORT,
        imaps_port=1993,
        lmtp_port=1024,
        user="mail",
        group="mail",
    )
    for version in ("2.3", "2.4"):
        file = folder / f"dovecot-{version}.conf"
        file.write_text(dovecot_config(f"{version}.0", settings), encoding="utf-8")
        file.chmod(0o644)
    users = MailUsers(folder / "users")
    users.create()
    for user in USERS:
        if not users.check(user.addresses[0], password):
            users.add(user.addresses[0], password)


def seed(password: str) -> None:
    """Fill the mailboxes, add users and records, and connect the accounts; what exists already is kept."""
    mails = DemoMail(now=datetime.now(UTC)).mailboxes()
    known = {user["email"] for user in json.loads(leadmail("user", "list", "--json"))}
    connected = {account["address"] for account in json.loads(leadmail("account", "list", "--json"))}
    for user in USERS:
        address = user.addresses[0]
        phone = Phone(IMAP_HOST, IMAP_PORT, address, password)
        if not phone.count():
            print(f"{address}: {phone.fill(mail for mail in mails if mail.user == user.key)} mails", flush=True)  # noqa: T201
        if address not in known:
            leadmail("user", "add", address, "--name", user.name, *(("--admin",) if user.admin else ()))
    with tempfile.TemporaryDirectory() as folder:
        for kind, text in (("lead", leads_csv()), ("contact", contacts_csv())):
            file = Path(folder) / f"{kind}s.csv"
            file.write_text(text, encoding="utf-8")
            print(leadmail(kind, "import", str(file)).strip(), flush=True)  # noqa: T201 - a command's output
    administrator = next(user.addresses[0] for user in USERS if user.admin)
    for user in USERS:
        if user.addresses[0] not in connected:
            connect(user, password)
        for alias in user.addresses[1:]:  # what is only claimed has no effect
            leadmail("account", "confirm-address", user.addresses[0], alias, "--by", administrator)


def connect(user: User, password: str) -> None:
    """Connect a mailbox as its owner would."""
    address, *aliases = user.addresses
    arguments = ["account", "add", "--owner", address, "--email", address, "--sharing", user.sharing]
    arguments += [part for alias in aliases for part in ("--alias", alias)]
    arguments += [part for domain in user.excluded_domains for part in ("--exclude-domain", domain)]
    arguments += ["--imap-host", IMAP_HOST, "--imap-port", str(IMAP_PORT), "--imap-tls", "none"]
    arguments += ["--smtp-host", SMTP_HOST, "--smtp-port", str(SMTP_PORT), "--smtp-tls", "none", "--password-stdin"]
    print(leadmail(*arguments, stdin=password).strip(), flush=True)  # noqa: T201 - a command's output


def leadmail(*arguments: str, stdin: str | None = None) -> str:
    """Run a ``leadmail`` command and return what it prints; in this process, since starting one takes longer than most commands do.

    Raises:
        RuntimeError: it failed; the text has what it said.
    """
    done = CliRunner().invoke(app, arguments, input=stdin, prog_name="leadmail")
    if done.exit_code:
        said = done.stderr.strip() or done.stdout.strip() or repr(done.exception)
        raise RuntimeError(f"leadmail {shlex.join(arguments)} ended with {done.exit_code}: {said}")
    return done.stdout


def main() -> int:
    """Run one of the two parts; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m testbed.demo.compose", description=__doc__)
    parser.add_argument("part", choices=("files", "seed"))
    part = parser.parse_args().part
    password = PASSWORD.read_text(encoding="utf-8").strip()
    try:
        if part == "files":
            write_files(FILES, password)
        else:
            seed(password)
    except RuntimeError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
