"""What the sharing rule needs to know of emails: their live copies with present policies, and who is named."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from schemas.accounts import Account
from schemas.sharing import CompanyPolicy, LiveCopy
from services.store.access.users import Company
from services.store.core.collections import Collections
from services.store.sync.accounts import Accounts
from services.store.sync.ledger import Ledger
from services.store.sync.ledger_queries import LiveRow


class Evidence(NamedTuple):
    """Everything that ``schemas.sharing.decide`` is asked about some emails."""

    rows: dict[str, list[LiveRow]]
    """Live copies by email."""
    accounts: dict[str, Account]
    participants: dict[str, frozenset[str]]
    """By email; an email that is not stored is absent."""
    company: CompanyPolicy

    def copies(self, email: str) -> list[LiveCopy]:
        """Return the live copies of an email as the rule wants them: one an account and Bcc, in however many folders."""
        found: dict[tuple[str, tuple[str, ...]], LiveCopy] = {}
        for row in self.rows.get(email, ()):
            account = self.accounts.get(row.account)
            if account is not None:
                found[account.id, row.bcc] = live_copy(account, row.bcc)
        return list(found.values())


def live_copy(account: Account, bcc: tuple[str, ...]) -> LiveCopy:
    """Return what the rule needs to know of a copy in an account."""
    return LiveCopy(
        account=account.id,
        owner=account.owner,
        policy=account.sharing,
        own_addresses=tuple(sorted(account.own_addresses)),
        bcc=bcc,
    )


class Copies:
    """Gathers the evidence in four queries, for any number of emails."""

    def __init__(self, collections: Collections, ledger: Ledger, accounts: Accounts, company: Company) -> None:
        self._emails = collections.emails
        self._ledger = ledger
        self._accounts = accounts
        self._company = company

    async def evidence(self, keys: Collection[str]) -> Evidence:
        """Return what is true now of some emails."""
        rows = await self._ledger.live_copies(keys)
        accounts = await self._accounts.of_ids({row.account for copies in rows.values() for row in copies})
        return Evidence(rows, accounts, await self._participants(keys), await self._company.policy())

    async def _participants(self, keys: Iterable[str]) -> dict[str, frozenset[str]]:
        found = self._emails.find({"_id": {"$in": list(keys)}}, {"participants.address": 1})
        return {
            document["_id"]: frozenset(one["address"] for one in document.get("participants", ()))
            async for document in found
        }
