"""Start all servers by hand: `python -m testbed up`. `prepare` only installs, downloads and builds what they need.

While the servers run, the file `.testbed/env` of the current folder lets another terminal use them.
"""

from __future__ import annotations

import argparse
import base64
import secrets
import signal
import sys
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path

from testbed.local import PARTS, HostingError, LocalServers
from testbed.local.choice import choose
from testbed.local.settings_file import write_settings
from testbed.processes.packages import CHROMIUM, ensure
from testbed.processes.parts import MAIL_SERVERS

FILE = Path(".testbed/env")
SENDER = "kim@customer.example"


def main() -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start all servers, print their settings, run until Ctrl-C")
    up.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="ADDRESS:PASSWORD",
        help=f"a mailbox to create, with one mail from {SENDER} in it",
    )
    up.add_argument("--mail", choices=MAIL_SERVERS, default=MAIL_SERVERS[0], help="the mail server to start")
    prepare = commands.add_parser("prepare", help="install, download and build what the servers need, then exit")
    prepare.add_argument("--browser", action="store_true", help="install the browser too, if that is possible")
    arguments = parser.parse_args()
    try:
        if arguments.command == "prepare":
            choose(None, PARTS | set(MAIL_SERVERS))
            if arguments.browser:
                _prepare_browser()
        else:
            _up([user.partition(":") for user in arguments.user], arguments.mail)
    except HostingError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _prepare_browser() -> None:
    try:
        ensure([CHROMIUM])
    except HostingError as error:
        print(f"the tests in a browser are left out: {error}", file=sys.stderr)  # noqa: T201 - a command's output


def _up(users: list[tuple[str, str, str]], mail_server: str) -> None:
    # kill(1) and a closed terminal stop the servers in order, as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    with LocalServers(mail=mail_server) as servers:
        for address, _, password in users:
            servers.add_user(address, password)
            servers.deliver(address, _mail_to(address))
        # Settings that do not depend on a server: enough to try the stages, the CLI and the console on these servers.
        own = {
            "LEADMAIL_MAIL_FROM": "Leadmail <leadmail@localhost.example>",
            "LEADMAIL_SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "LEADMAIL_CONSOLE_URL": "http://127.0.0.1:8080",
        }
        mail = servers.imap
        write_settings(
            FILE, servers.environment() | own, IMAP_PORT=str(mail.tls_port), SENT_MAIL=str(servers.smtp_folder)
        )
        try:
            for line in (
                f"The servers run as {servers.hosting}.",
                f"RabbitMQ   {servers.rabbitmq_url}, its pages {servers.rabbitmq_management_url}",
                f"MongoDB    {servers.mongo_url}",
                f"IMAP       {mail.host}:{mail.port}, with TLS {mail.host}:{mail.tls_port}, authority {mail.ca_file}",
                f"sent mail  {servers.smtp_folder}",
                f"In another terminal, in this folder: . {FILE}",
                "Ctrl-C stops the servers and deletes everything that they stored.",
            ):
                print(line, flush=True)  # noqa: T201 - a command's output
            signal.pause()
        finally:
            FILE.unlink(missing_ok=True)


def _mail_to(address: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Kim Client <{SENDER}>", address, "Our order"
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="customer.example")
    mail.set_content("Hello,\n\nwe take the offer. When can you deliver?\n\nKim\n")
    return mail.as_bytes(policy=SMTP)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
