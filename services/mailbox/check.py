"""Try the log-in at both of an account's servers before anything is saved."""

from __future__ import annotations

import asyncio
import imaplib
from dataclasses import dataclass

from schemas.accounts import ServerAddress
from services.mailbox import advice
from services.mailbox.connection import (
    Code,
    ConnectPolicy,
    Credentials,
    MailServerError,
    PasswordCredentials,
    Protocol,
    classify,
    clean_answer,
)
from services.mailbox.imap import connect_imap
from services.mailbox.providers import Provider, clean_credentials, directory
from services.mailbox.smtp import close_smtp, connect_smtp


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a server could not be used."""

    code: Code
    sentence: str
    """What happened and what the user can do."""
    steps: tuple[str, ...] = ()
    """The provider's own steps for this case, if any."""
    url: str = ""
    """The provider's page about them."""
    answer: str = ""
    """The server's answer, on one line, without the password."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result for each server; None means success. ``outgoing_checked`` is False if the account has no outgoing server."""

    incoming: Refusal | None
    outgoing: Refusal | None
    outgoing_checked: bool

    @property
    def ok(self) -> bool:
        """Whether the account can be saved."""
        return self.incoming is None and self.outgoing is None


async def check_account(
    incoming: ServerAddress,
    outgoing: ServerAddress | None,
    credentials: Credentials,
    *,
    policy: ConnectPolicy,
    provider: Provider | None = None,
) -> CheckResult:
    """Log in at both servers concurrently, read-only: nothing is fetched, changed or sent.

    Without an outgoing server only the incoming one is tried. The provider, for its own wording and steps, is looked up by the
    incoming server if None.
    """
    provider = provider or directory().for_server(incoming.host)
    credentials = clean_credentials(credentials, provider)
    imap = asyncio.to_thread(_try_imap, incoming, credentials, policy)
    at_imap, *rest = await asyncio.gather(imap, *([_try_smtp(outgoing, credentials, policy)] if outgoing else []))
    return CheckResult(
        incoming=_refusal(at_imap, incoming, "imap", credentials, provider),
        outgoing=_refusal(rest[0], outgoing, "smtp", credentials, provider) if outgoing else None,
        outgoing_checked=outgoing is not None,
    )


def _try_imap(server: ServerAddress, credentials: Credentials, policy: ConnectPolicy) -> MailServerError | None:
    try:
        client = connect_imap(server, credentials, policy=policy)
    except MailServerError as error:
        return error
    try:
        # NetEase accepts the log-in of unknown clients and refuses them here; a mailbox without a licence fails here too.
        with client.protocol.stream.within(policy.timeouts.login):
            client.select_folder("INBOX", readonly=True)
            client.logout()
    except imaplib.IMAP4.error as error:
        client.shutdown()
        answer = clean_answer(str(error))
        return MailServerError(
            classify(answer, protocol="imap", default=Code.REFUSED), "the inbox cannot be opened", answer=answer
        )
    except OSError:
        client.shutdown()
        return MailServerError(Code.TIMEOUT, "the server did not answer in time")
    return None


async def _try_smtp(server: ServerAddress, credentials: Credentials, policy: ConnectPolicy) -> MailServerError | None:
    try:
        await close_smtp(await connect_smtp(server, credentials, policy=policy))
    except MailServerError as error:
        return error
    return None


def _refusal(
    error: MailServerError | None,
    server: ServerAddress,
    protocol: Protocol,
    credentials: Credentials,
    provider: Provider | None,
) -> Refusal | None:
    if error is None:
        return None
    typed = credentials.password.get_secret_value() if isinstance(credentials, PasswordCredentials) else None
    refined = MailServerError(advice.refine(error.code, provider, typed), error.detail, answer=error.answer)
    lines, url = advice.steps(refined.code, provider)
    return Refusal(
        code=refined.code,
        sentence=advice.sentence(refined, server, protocol, provider),
        steps=lines,
        url=url,
        answer=error.answer,
    )
