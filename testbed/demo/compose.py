"""The demo's mailboxes in a compose deployment: Dovecot's files, then the mail, the users, the records and the accounts."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from typer.testing import CliRunner

from services.cli.app import app
from testbed.demo import commands
from testbed.demo.phone import Phone
from testbed.processes.certificates import make_certificates
from testbed.processes.users import MailUsers
from testbed.samples.company import USERS
from testbed.samples.demo_mail import DemoMail
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
            commands.add_user(leadmail, user)
    commands.import_records(printed)
    for user in USERS:
        if user.addresses[0] not in connected:
            commands.connect(printed, user, password, imap=(IMAP_HOST, IMAP_PORT), smtp=(SMTP_HOST, SMTP_PORT))
        commands.confirm_aliases(leadmail, user)


def printed(*arguments: str, stdin: str | None = None) -> str:
    """Run a ``leadmail`` command, print what it prints, and return it."""
    text = leadmail(*arguments, stdin=stdin)
    print(text.strip(), flush=True)  # noqa: T201 - a command's output
    return text


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
