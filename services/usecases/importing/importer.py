"""Connects many mailboxes: each row of a table is checked, its login tried, and saved, or has a reason why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from schemas.addresses import InvalidAddressError
from schemas.sharing import CompanyPolicy
from services.mailbox.connection import MailServerError, password
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.sign_in_services import SignInServices
from services.runtime.tasks import cancel_and_wait
from services.store import OPERATOR, AlreadyExistsError, StoreError
from services.usecases.connecting import mailbox_sign_in
from services.usecases.connecting.former_members import former_members
from services.usecases.connecting.login import check_login
from services.usecases.connecting.login_limit import TooManyAttemptsError, count_login_attempt, forget_login_attempt
from services.usecases.connecting.saving import AccountSaver, NewAccount
from services.usecases.importing.row_checks import Plan, RowChecks, RowError
from services.usecases.importing.table import ImportState, MailboxRow

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult

AT_ONCE = 5
"""Mailboxes that are tried at the same time."""


class ImportOutcome(NamedTuple):
    """What became of a row, and why. It has no password."""

    line: int
    address: str
    owner: str
    state: ImportState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Importer:
    """Connects mailboxes in the name of an administrator or the operator. What is connected already stays as it is."""

    saver: AccountSaver
    services: SignInServices

    async def run(
        self,
        rows: Iterable[MailboxRow],
        *,
        dry_run: bool = False,
        done: Callable[[ImportOutcome], None] = lambda _: None,
    ) -> list[ImportOutcome]:
        """Connect the mailboxes of rows, a few at a time; ``done`` is called for each. A dry run saves nothing and tries no login."""
        company, limit = await self.saver.store.company.policy(), asyncio.Semaphore(AT_ONCE)

        async def one(row: MailboxRow) -> ImportOutcome:
            async with limit:
                outcome = await self._outcome(row, company, dry_run=dry_run)
            done(outcome)
            return outcome

        tasks = [asyncio.create_task(one(row)) for row in rows]
        try:
            return await asyncio.gather(*tasks)
        finally:
            await cancel_and_wait(*tasks)

    async def _outcome(self, row: MailboxRow, company: CompanyPolicy, *, dry_run: bool) -> ImportOutcome:
        owner = " ".join(filter(None, (row.owner, *row.members))) or row.address

        def became(state: ImportState, reason: str = "") -> ImportOutcome:
            return ImportOutcome(row.line, row.address, owner, state, reason)

        try:
            plan = await RowChecks(self.saver, self.services).plan(row, company)
            if isinstance(plan, str):
                return became(ImportState.ALREADY, plan)
            left_out = await former_members(plan.members, plan.address, self.saver.store)
            if dry_run:
                return became(ImportState.READY, left_out)
            await self.saver.save(await self._counted(plan, row))
        except AlreadyExistsError:
            return became(ImportState.ALREADY, "it was connected meanwhile")
        except (RowError, StoreError, MailServerError, InvalidAddressError, TooManyAttemptsError) as error:
            return became(ImportState.FAILED, str(error))
        return became(ImportState.CONNECTED, left_out)

    async def _counted(self, plan: Plan, row: MailboxRow) -> NewAccount:
        """Log in as ``_log_in`` does. Logins that fail count for an administrator as if each was typed by hand.

        Raises:
            TooManyAttemptsError: too many failed.
        """
        if self.saver.by == OPERATOR:
            return await self._log_in(plan, row)
        await count_login_attempt(self.saver.by, self.saver.store)
        new = await self._log_in(plan, row)
        await forget_login_attempt(self.saver.by, self.saver.store)
        return new

    async def _log_in(self, plan: Plan, row: MailboxRow) -> NewAccount:
        """Return the account to save, after its login worked.

        Raises:
            RowError: it does not work; the text says what to do.
        """
        policy = self.saver.policy
        if plan.service:
            try:
                found = await mailbox_sign_in.in_our_name(plan.address, plan.service, self.services)
            except IdentityServerError as error:
                service = self.services.app_only[plan.service]
                raise RowError(mailbox_sign_in.sentence(error, service, app_only=plan.address)) from None
            _require(await mailbox_sign_in.check(found, policy))
            return mailbox_sign_in.new_account(
                found, plan.owner, plan.policy, aliases=plan.aliases, members=plan.members
            )
        assert plan.incoming is not None
        credentials = password(row.password.get_secret_value())
        _require(await check_login(plan.incoming, plan.outgoing, credentials, policy, plan.provider))
        return NewAccount(
            plan.owner,
            plan.address,
            plan.aliases,
            plan.provider,
            plan.incoming,
            plan.outgoing,
            credentials,
            plan.policy,
            plan.members,
        )


def _require(result: CheckResult) -> None:
    refusals = [one for one in (result.incoming, result.outgoing) if one is not None]
    if refusals:
        raise RowError(" ".join(dict.fromkeys(one.sentence for one in refusals)))
