"""Connect to the mailboxes of accounts, with few log-ins at a time per server."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Executor, Future

from pydantic import SecretStr

from schemas.accounts import Account, Lease
from services.mailbox.connection import TOKEN_REFUSED, ConnectPolicy, Credentials, MailServerError
from services.mailbox.imap import ImapSession, MailClient, connect_imap
from services.mailbox.oauth.token_refresh import TokenRefresher
from services.mailbox.providers import Directory, Provider
from services.poller.connections.budgets import AccountBudget, MeteredTraffic, ServiceBudgets
from services.poller.connections.imap_metrics import ImapMetrics
from services.poller.connections.login_gate import LoginGate
from services.store import Purpose


class Connector:
    """Opens sessions. One per process."""

    def __init__(
        self,
        policy: ConnectPolicy,
        tokens: TokenRefresher,
        directory: Directory,
        budgets: ServiceBudgets,
        *,
        commands: Executor,
        connects: Executor,
        metrics: ImapMetrics,
    ) -> None:
        """Take the pools of threads for commands, and for connecting (which may hang for long)."""
        self._policy = policy
        self._tokens = tokens
        self._directory = directory
        self.budgets = budgets
        self._commands = commands
        self._connects = connects
        self._metrics = metrics
        self._logins: defaultdict[str, LoginGate] = defaultdict(LoginGate)

    def provider(self, account: Account) -> Provider | None:
        """Return the directory's entry for the account's mail service."""
        known = self._directory.by_key.get(account.provider or "")
        return known or self._directory.for_server(account.incoming.host)

    async def connect(
        self,
        account: Account,
        budget: AccountBudget | None = None,
        *,
        purpose: Purpose = "bulk",
        lease: Lease | None = None,
        refreshed: Callable[[Account], None] = lambda _: None,
    ) -> ImapSession:
        """Return a logged-in session for new mail or for background work.

        ``refreshed`` is called with the account as it is stored if its tokens were refreshed, under the ``lease``.

        Raises:
            BudgetSpentError: the server gets no more log-ins or connections for now.
            MailServerError: see ``connect_imap``.
            SealError: the credentials cannot be decrypted.
        """
        provider = self.provider(account)
        current, credentials = await self._open(account, lease, refreshed)
        budget = budget or self.budgets.of(account, provider)
        closed = await budget.connections.take(purpose)
        try:
            try:
                client = await self._log_in(account, credentials, provider, budget)
            except MailServerError as error:
                token = getattr(credentials, "access_token", None)
                if error.code not in TOKEN_REFUSED or token is None:
                    raise
                # A server may refuse a token before its time. Only a fresh one shows whether the owner has to act.
                current, credentials = await self._open(current, lease, refreshed, refused=token)
                client = await self._log_in(account, credentials, provider, budget)
        except BaseException:
            closed()
            raise
        return ImapSession(
            client,
            self._commands,
            qresync=provider is None or "no_qresync" not in provider.quirks,
            observer=MeteredTraffic(
                self._metrics.logged_in(account, provider, client.protocol.stream),
                client.protocol.stream,
                budget.octets,
                closed,
            ),
        )

    async def refresh(self, account: Account, *, lease: Lease) -> Account:
        """Refresh an account's tokens that are due. Returns the account as it is stored.

        Raises:
            MailServerError: they cannot be refreshed.
            SealError: the credentials cannot be decrypted.
        """
        try:
            return (await self._tokens.refresh(account, lease=lease))[0]
        except MailServerError as error:
            self._metrics.login_failed(account, self.provider(account), error.code.value)
            raise

    async def _open(
        self,
        account: Account,
        lease: Lease | None,
        refreshed: Callable[[Account], None],
        *,
        refused: SecretStr | None = None,
    ) -> tuple[Account, Credentials]:
        try:
            current, credentials = await self._tokens.open(account, lease=lease, refused=refused)
        except MailServerError as error:
            self._metrics.login_failed(account, self.provider(account), error.code.value)
            raise
        if current is not account:
            refreshed(current)
        return current, credentials

    async def _log_in(
        self, account: Account, credentials: Credentials, provider: Provider | None, budget: AccountBudget
    ) -> MailClient:
        await budget.login()
        async with (gate := self._logins[f"{account.incoming.host}:{account.incoming.port}"]):
            call = self._connects.submit(connect_imap, account.incoming, credentials, policy=self._policy)
            try:
                client = await asyncio.wrap_future(call)
            except asyncio.CancelledError:
                call.add_done_callback(_shut_down)
                raise
            except MailServerError as error:
                if error.transient:
                    gate.refused()
                self._metrics.login_failed(account, provider, error.code.value)
                raise
            gate.worked()
            return client

    def forget(self, account: Account) -> None:
        """Take no more note of an account that this process does not work on."""
        self._metrics.forget(account.id)


def _shut_down(call: Future[MailClient]) -> None:
    if not call.cancelled() and call.exception() is None:
        call.result().shutdown()
