"""Gathers the evidence for a verdict once everything is at rest."""

from __future__ import annotations

import asyncio
import imaplib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from schemas.records import RecordRef
from testbed.chaos.proof.findings import Asked, Evidence, Seen
from testbed.chaos.proof.observer import Observer
from testbed.chaos.proof.reader import Held, Reader, ServerCopy
from testbed.chaos.proof.reference import work_out
from testbed.chaos.proof.stored import AttentionMail, Stored, attentions, confirmations, read_stored
from testbed.chaos.world.company import Company
from testbed.local import HostingError
from testbed.samples.bench.team import COMPANY_EXCLUDED

_PAGE = 200
_AGAIN_S = 0.5
T = TypeVar("T")


class Gatherer:
    """Looks at a company from outside."""

    def __init__(self, company: Company, observer: Observer) -> None:
        self._company = company
        self._observer = observer
        self._reader = Reader()
        self.asked: list[Asked] = []
        self.refused: set[str] = set()
        """Accounts whose saved login is refused at the moment."""
        self.blocks: Counter[str] = Counter()
        """How often an account may have been blocked."""
        self.unnotified: list[str] = []
        """Blocked accounts whose owner was not notified."""
        self.leaked: list[str] = []
        """What a user still saw of a shared mailbox after they had left it."""
        self.unshown: list[str] = []
        """Accounts whose tokens could not be refreshed, which did not show."""

    async def connecting(self, key: str) -> None:
        """Connect a mailbox, and remember what is in it at that moment."""
        there = await self._uids(key)
        await patiently(lambda: self._company.connect(key))
        account = self._company.accounts[key]
        self.asked.append(Asked(account, 0, frozenset(copy._replace(account=account) for copy in there)))

    async def asking(self, key: str) -> Asked:
        """Return what is in a mailbox before a resync is requested."""
        there, account = await self._uids(key), self._company.accounts[key]
        # In this order: every backfill with a higher number was opened when all of that was there.
        last = (await patiently(lambda: self._company.store.accounts.get(account))).epoch
        return Asked(account, last, frozenset(copy._replace(account=account) for copy in there))

    async def _uids(self, key: str) -> dict[ServerCopy, frozenset[str]]:
        return await patiently(lambda: asyncio.to_thread(self._reader.uids, key, self._company.mailboxes[key]))

    def refuse(self, account: str) -> None:
        """Note that the saved login of an account is refused from now on, until ``accept``: that blocks it once."""
        self.refused.add(account)
        self.blocks[account] += 1

    def accept(self, account: str) -> None:
        """Note that the saved login of an account works again."""
        self.refused.discard(account)

    async def resuming(self, account: str, resume: Awaitable[int]) -> None:
        """Note how often an account was resumed while its login was refused: that ends a block, and another one follows."""
        before, refused = self.blocks[account], account in self.refused
        times = await resume
        if refused or self.blocks[account] > before:
            self.blocks[account] += times

    async def left(self, user: str) -> None:
        """Check that no page shows a user their own copy of mail in the shared mailbox, which they have left."""
        company = self._company
        account = company.accounts[company.shared or ""]
        for record in list(company.records):
            kind, _, number = record.partition(":")
            ref = RecordRef.model_validate({"kind": kind, "id": number})
            page = await patiently(partial(company.store.reading.visible_emails, user, ref, limit=_PAGE))
            if user in company.members:
                return  # they have joined again
            self.leaked += [
                f"{line.email} on {record} for {user}"
                for line in page.emails
                if any(copy.own and copy.account == account for copy in line.copies)
            ]

    async def attentions(self, account: str) -> list[AttentionMail]:
        """Return the mails about problems that the owner of an account has received."""
        sent = await asyncio.to_thread(self._company.network.servers.sink.sent)
        return [mail for mail in attentions(sent) if mail.account == account]

    async def quiet(self) -> str | None:
        """Return what is still in progress; None if nothing is."""
        company = self._company
        ours = company.client[company.name]
        unfinished = await ours.ledger.count_documents({"state": {"$in": ["planned", "published"]}})
        if unfinished:
            return f"{unfinished} rows are unfinished"
        sent = await ours.epochs.count_documents({"state": "complete", "notification": "sent"})
        if sent < len(company.accounts) or sent < await ours.epochs.count_documents({}):
            return f"{sent} backfills are confirmed"
        if waiting := await ours.accounts.count_documents(
            {"$or": [{"state": {"$ne": "active"}}, {"resync_requested": True}]}
        ):
            return f"{waiting} accounts are not active, or wait for a backfill"
        if troubled := await ours.accounts.count_documents({"trouble": {"$ne": None}}):
            return f"{troubled} accounts show a trouble"
        if pending := await ours.debts.count_documents({}):
            return f"{pending} pieces of work are pending"
        queues = await asyncio.to_thread(company.network.servers.broker.waiting, company.name)
        return f"messages wait: {queues}" if queues else None

    async def gather(self) -> Evidence:
        """Return the evidence."""
        await self._observer.caught_up()
        company = self._company
        held: list[Held] = []
        for key, account in company.accounts.items():
            held += await asyncio.to_thread(self._reader.read, account, company.mailboxes[key])
        stored = await asyncio.to_thread(_stored, company)
        truth = await asyncio.to_thread(
            work_out,
            held,
            records=company.records,
            accounts=company.mailowners(),
            viewers=company.viewers,
            excluded=COMPANY_EXCLUDED,
        )
        accounts = set(company.accounts.values())
        sent = await asyncio.to_thread(company.network.servers.sink.sent)
        return Evidence(
            held=held,
            truth=truth,
            stored=stored,
            seen=await self._seen(),
            confirmations=[mail for mail in confirmations(sent) if mail.account in accounts],
            attentions=[mail for mail in attentions(sent) if mail.account in accounts],
            observed=self._observer.observed,
            asked=self.asked,
            blocks=self.blocks,
            unnotified=self.unnotified,
            unshown=self.unshown,
            leaked=self.leaked,
        )

    async def _seen(self) -> Seen:
        """Read every record's page as every user."""
        emails: dict[tuple[str, str], list[str]] = defaultdict(list)
        bcc: dict[tuple[str, str], frozenset[str]] = {}
        holders: dict[tuple[str, str], frozenset[str]] = defaultdict(frozenset)
        reading = self._company.store.reading
        for record in self._company.records:
            kind, _, number = record.partition(":")
            ref = RecordRef.model_validate({"kind": kind, "id": number})
            for viewer in self._company.viewers:
                before = None
                emails[viewer, record] = []
                while True:
                    page = await reading.visible_emails(viewer, ref, limit=_PAGE, before=before)
                    emails[viewer, record] += [key for line in page.emails for key in (line.email, *line.also)]
                    for line in page.emails:
                        holders[viewer, line.email] |= frozenset(line.holders)
                        if line.bcc:
                            bcc[viewer, line.email] = frozenset(line.bcc)
                    if (before := page.before) is None:
                        break
        return Seen(emails, bcc, holders)


async def patiently(what: Callable[[], Awaitable[T]]) -> T:
    """Repeat something that needs servers until they answer."""
    while True:
        try:
            return await what()
        except (OSError, HostingError, imaplib.IMAP4.error, PyMongoError):
            await asyncio.sleep(_AGAIN_S)


def _stored(company: Company) -> Stored:
    with MongoClient[dict[str, Any]](company.network.servers.mongo_url, readConcernLevel="majority") as client:
        return read_stored(client, company.name, f"{company.name}-crm")
