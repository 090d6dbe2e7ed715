"""Tries a login until it works: a user may correct servers and password, a script gets one error sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import typer

from schemas.accounts import ServerAddress
from services.cli.accounts import login_result
from services.cli.terminal import questions
from services.cli.terminal.output import USAGE, fail, say
from services.cli.terminal.session import do
from services.mailbox.connection import ConnectPolicy, Credentials
from services.usecases.connecting.login import check_login
from services.usecases.connecting.servers import PORTS

if TYPE_CHECKING:
    from services.mailbox.discovery import Discovered


@dataclass(frozen=True, slots=True)
class AccountServers:
    """Both servers, as far as they are known."""

    incoming: ServerAddress | None
    outgoing: ServerAddress | None
    no_smtp: bool
    """Whether the account has no outgoing server."""

    @property
    def known(self) -> bool:
        """Whether no server is missing."""
        return self.incoming is not None and (self.outgoing is not None or self.no_smtp)


class WorkingLogin(NamedTuple):
    """Servers and credentials with which the login works."""

    incoming: ServerAddress
    outgoing: ServerAddress | None
    credentials: Credentials


def try_login(
    address: str,
    servers: AccountServers,
    found: Discovered,
    login: str,
    policy: ConnectPolicy,
    *,
    asks: bool,
    from_stdin: bool,
    quiet: bool,
) -> WorkingLogin:
    """Try the login until it works; a user may correct servers and password, a script exits with the sentence."""
    while True:
        if asks:
            servers = _review(servers, found, login)
        incoming = servers.incoming
        if incoming is None:
            fail("the incoming server is unknown: add --imap-host", code=USAGE)
        if not servers.known:
            fail("the outgoing server is unknown: add --smtp-host, or --no-smtp if there is none", code=USAGE)
        credentials = questions.password(address, stdin=from_stdin, provider=found.provider)
        result = do(check_login(incoming, servers.outgoing, credentials, policy, found.provider))
        if not (quiet and result.ok):
            login_result.show(result, to_errors=not (asks or result.ok))
        if result.ok:
            return WorkingLogin(incoming, servers.outgoing, credentials)
        if not asks or not typer.confirm("Try again?", default=True):
            fail("nothing was saved")


def _review(servers: AccountServers, found: Discovered, login: str) -> AccountServers:
    """Show the servers to the user, who can change them and fill in what is missing."""
    for which, server in (("incoming", servers.incoming), ("outgoing", servers.outgoing)):
        words = f"{server.host}:{server.port} {server.tls} as {server.username}" if server else "not known"
        if server or which == "incoming" or not servers.no_smtp:
            say(f"  {which}  {words}")
    if found.confirm:
        say(
            f"Only DNS says that {', '.join(found.confirm)} serves this address. Check the server name before you enter a password.",
            style="yellow",
        )
    if servers.known and typer.confirm("Are these right?", default=True):
        return servers
    incoming = questions.server("Incoming", servers.incoming, login, PORTS["imap"])
    if servers.no_smtp or not (
        servers.outgoing or typer.confirm("Does it also have an outgoing server?", default=True)
    ):
        return AccountServers(incoming, None, no_smtp=True)
    outgoing = questions.server("Outgoing", servers.outgoing, incoming.username, PORTS["smtp"])
    return AccountServers(incoming, outgoing, no_smtp=False)
