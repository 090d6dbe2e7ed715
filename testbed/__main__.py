"""Start all servers by hand: `python -m testbed up`. `prepare` only installs, downloads and builds what they need."""

from __future__ import annotations

import argparse
import base64
import secrets
import shlex
import signal
import sys

from testbed.local import PARTS, HostingError, LocalServers
from testbed.local.choice import choose


def main() -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start all servers, print their settings, run until Ctrl-C")
    up.add_argument("--user", action="append", default=[], metavar="ADDRESS:PASSWORD", help="a mailbox to create")
    commands.add_parser("prepare", help="install, download and build what the servers need, then exit")
    arguments = parser.parse_args()
    try:
        if arguments.command == "prepare":
            choose(None, PARTS)
        else:
            _up([user.partition(":") for user in arguments.user])
    except HostingError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _up(users: list[tuple[str, str, str]]) -> None:
    # kill(1) and a closed terminal stop the servers in order, as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    with LocalServers() as servers:
        for address, _, password in users:
            servers.add_user(address, password)
        # Settings that do not depend on a server: enough to try the stages and the CLI on these servers.
        own = {
            "LEADMAIL_MAIL_FROM": "Leadmail <leadmail@localhost.example>",
            "LEADMAIL_SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        for name, value in (servers.environment() | own).items():
            print(f"export {name}={shlex.quote(value)}")  # noqa: T201 - a command's output
        mail = servers.imap
        print(f"# {servers.hosting}; RabbitMQ management: {servers.rabbitmq_management_url}")  # noqa: T201 - a command's output
        print(f"# IMAP {mail.host}:{mail.port}, TLS {mail.tls_port}, CA {mail.ca_file}")  # noqa: T201 - a command's output
        print(f"# sent mail: {servers.smtp_folder}; Ctrl-C stops everything", flush=True)  # noqa: T201 - a command's output
        signal.pause()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
