"""``leadmail account change``: other servers, another login name or another password for the same mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from schemas.accounts import Account
from services.cli.accounts import login_result
from services.cli.accounts.connect import Encryption, Port
from services.cli.accounts.settings import PasswordStdin, connected_account
from services.cli.terminal import questions
from services.cli.terminal.names import AccountName
from services.cli.terminal.output import USAGE, fail
from services.cli.terminal.session import do, open_session
from services.usecases.connecting.login import Login, provider_of
from services.usecases.connecting.servers import ServerChoice

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult


def change(  # noqa: PLR0917 - typer names them by keyword
    name: AccountName,
    imap_host: Annotated[str | None, typer.Option(help="The incoming server.")] = None,
    imap_port: Port = None,
    imap_tls: Encryption = None,
    smtp_host: Annotated[str | None, typer.Option(help="The outgoing server.")] = None,
    smtp_port: Port = None,
    smtp_tls: Encryption = None,
    username: Annotated[str | None, typer.Option(help="The login name at both servers.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password, too.")] = False,
    password_stdin: PasswordStdin = False,
) -> None:
    """Change servers, login name or password of a mailbox, if the login works. What was imported, sharing and confirmations stay.

    Use it when the same mailbox has moved. What you do not name stays as it is. For another mailbox, connect it with `account add`.
    """
    account = do(connected_account(name))
    incoming = ServerChoice(imap_host, imap_port, imap_tls).instead_of(account.incoming, "imap", username)
    smtp, outgoing = ServerChoice(smtp_host, smtp_port, smtp_tls), account.outgoing
    if outgoing is not None:
        outgoing = smtp.instead_of(outgoing, "smtp", username)
    elif smtp_host is not None:
        outgoing = smtp.over(None, "smtp", incoming.username)
    asked = password or password_stdin
    if not asked and (incoming, outgoing) == (account.incoming, account.outgoing):
        fail(
            "nothing to change: name a server, a login name or a password (`leadmail account change --help`)",
            code=USAGE,
        )
    credentials = None
    if asked:
        credentials = questions.password(account.address, stdin=password_stdin, provider=provider_of(account))
    result = do(_try_and_save(account, Login(incoming, outgoing, credentials)))
    login_result.show_saved(result, f"The new login of {account.address}")


async def _try_and_save(account: Account, changed: Login) -> CheckResult:
    async with open_session() as session:
        return await session.saver.change_login(account, changed, session.tokens)
