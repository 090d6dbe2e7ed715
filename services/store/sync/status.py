"""Accounts, backfills and counts, for the operator and the confirmation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import NamedTuple

from pydantic import Field

from schemas.accounts import Account
from schemas.base import Contract
from schemas.ledger import Epoch, RowState
from schemas.records import RecordKind
from schemas.sharing import SharingPolicy
from services.store.core.collections import Collections
from services.store.ledger.cached_counts import CachedCounts
from services.store.ledger.folders import Folders
from services.store.ledger.ledger_counts import FolderTotals, LedgerCounts, sum_of
from services.store.ledger.message_ids import MessageIds
from services.store.sync.accounts import Accounts
from services.store.sync.epochs import Epochs


class AccountStatus(Contract):
    """A line of ``leadmail status``."""

    account: Account
    holder: str | None
    """The poller that holds its lease."""
    epoch: Epoch | None
    """Its newest backfill."""
    counts: dict[RowState, int]
    counted_at: datetime
    """When these were counted: a while ago only in a large account whose mail is being processed."""
    oldest_unfinished: datetime | None
    repeated_ids: int = 0
    """How many Message-IDs different mails of the mailbox carry."""


class FolderReport(Contract):
    """The results for a folder's mail."""

    name: str
    role: str
    selected: bool
    reason: str | None
    """Why it is not synchronised."""
    counts: dict[RowState, int] = Field(default_factory=dict)
    reasons: dict[str, int] = Field(default_factory=dict)
    """Counts of skipped mail by reason."""


class EpochReport(Contract):
    """The content of a backfill's confirmation: the whole account at the time of the call."""

    epoch: Epoch
    owner: str
    holders: tuple[str, ...] = ()
    """The owner, or the members of the team."""
    address: str
    sharing: SharingPolicy
    folders: tuple[FolderReport, ...]
    counts: dict[RowState, int]
    reasons: dict[str, int]
    emails: int
    """How many distinct emails the attached copies are of."""
    linked: dict[RecordKind, int]
    """How many leads and contacts these emails are on."""
    oldest: datetime | None
    """``sent_at`` of the oldest of these emails; ``newest`` is that of the newest."""
    newest: datetime | None


class AttachedCounts(NamedTuple):
    """The emails of which an account holds a live copy, and the records that they are on, as far as its owner may know."""

    emails: int
    oldest: datetime | None
    newest: datetime | None
    linked: dict[RecordKind, int]


class Status:
    """Reads and counts. It never returns mail content."""

    def __init__(
        self,
        collections: Collections,
        *,
        accounts: Accounts,
        folders: Folders,
        ledger_counts: LedgerCounts,
        cached_counts: CachedCounts,
        message_ids: MessageIds,
        epochs: Epochs,
        seen_by_holders: Callable[[str, Collection[str]], Awaitable[AttachedCounts]],
    ) -> None:
        self._seen_by_holders = seen_by_holders
        self._c = collections
        self._accounts = accounts
        self._folders = folders
        self._ledger_counts = ledger_counts
        self._cached_counts = cached_counts
        self._message_ids = message_ids
        self._epochs = epochs

    async def accounts(self, user: str | None = None) -> list[AccountStatus]:
        """Return the status of all accounts, or of a user's accounts, shared ones included.

        What it costs does not grow with their ledgers, but for rows without a final state and for what ``CachedCounts`` counts again.
        """
        accounts = await (self._accounts.get_all() if user is None else self._accounts.held_by(user))
        ids = [account.id for account in accounts]
        counts = await self._cached_counts.counts(ids)
        epochs = await self._epochs.newest((account.id, account.epoch) for account in accounts)
        oldest = await self._ledger_counts.oldest_unfinished(ids)
        repeated = await self._message_ids.counts(ids)
        holders = {
            document["_id"]: document["lease"].get("holder")
            async for document in self._c.accounts.find({"_id": {"$in": ids}, "lease": {"$exists": True}}, {"lease": 1})
        }
        return [
            AccountStatus(
                account=account,
                holder=holders.get(account.id),
                epoch=epochs.get(account.id),
                counts=counts[account.id].rows,
                counted_at=counts[account.id].at,
                oldest_unfinished=oldest.get(account.id),
                repeated_ids=repeated.get(account.id, 0),
            )
            for account in accounts
        ]

    async def report(self, account: str, number: int) -> EpochReport | None:
        """Return the content of a backfill's confirmation; None if the account or the backfill no longer exists."""
        epoch = await self._epochs.get(account, number)
        holder = (await self._accounts.of_ids([account])).get(account)
        if epoch is None or holder is None:
            return None
        totals = await self._ledger_counts.totals(account)
        reports = []
        for folder in await self._folders.of(account):
            of_folder = totals.get(folder.id, FolderTotals())
            reports.append(
                FolderReport(
                    name=folder.name,
                    role=folder.role,
                    selected=folder.selected,
                    reason=folder.reason,
                    counts=of_folder.every_state,
                    reasons=of_folder.skipped,
                )
            )
        together = sum_of(totals.values())
        emails, oldest, newest, linked = await self._seen_by_holders(account, holder.holders)
        return EpochReport(
            epoch=epoch,
            owner=holder.owner,
            holders=holder.holders,
            address=holder.address,
            sharing=holder.sharing,
            folders=tuple(reports),
            counts=together.every_state,
            reasons=together.skipped,
            emails=emails,
            linked=linked,
            oldest=oldest,
            newest=newest,
        )
