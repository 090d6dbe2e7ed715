"""Gathering what a verdict is made of, when everything has come to rest."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.request
from collections import defaultdict
from typing import Any
from urllib.parse import quote

from pymongo import MongoClient

from deploy.chaos.company import Company
from deploy.chaos.observer import Observer
from deploy.chaos.reader import Held, Reader, ServerCopy
from deploy.chaos.reference import work_out
from deploy.chaos.stored import Stored, confirmations, read_stored
from deploy.chaos.verdict import Evidence, Seen
from deploy.local import LocalServers
from deploy.samples.team import COMPANY_EXCLUDED
from schemas.records import RecordRef

_PAGE = 200


class Gatherer:
    """Looks at a company from outside."""

    def __init__(self, company: Company, observer: Observer) -> None:
        self._company = company
        self._observer = observer
        self._reader = Reader()
        self.before: dict[str, frozenset[ServerCopy]] = {}
        """What is in the mailboxes when they are connected, by account."""

    async def connecting(self, key: str) -> None:
        """Connect a mailbox, and remember what is in it at that moment."""
        box = self._company.mailboxes[key]
        there = await asyncio.to_thread(self._reader.uids, key, box)
        await self._company.connect(key)
        account = self._company.accounts[key]
        self.before[account] = frozenset(copy._replace(account=account) for copy in there)

    async def quiet(self) -> str | None:
        """Return what is still going on; None when nothing is."""
        company = self._company
        ours = company.client[company.name]
        unfinished = await ours.ledger.count_documents({"state": {"$in": ["planned", "published"]}})
        if unfinished:
            return f"{unfinished} rows are unfinished"
        sent = await ours.epochs.count_documents({"state": "complete", "notification": "sent"})
        if sent < len(company.accounts) or sent < await ours.epochs.count_documents({}):
            return f"{sent} backfills are confirmed"
        if debts := await ours.debts.count_documents({}):
            return f"{debts} debts are to be paid"
        queues = await asyncio.to_thread(waiting_messages, company.network.servers, company.name)
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
        sent = [
            mail
            for mail in confirmations(await asyncio.to_thread(company.network.servers.sink.sent))
            if mail.account in accounts
        ]
        seen = await self._seen()
        return Evidence(held, truth, stored, seen, sent, self._observer.observed, self.before)

    async def _seen(self) -> Seen:
        """Read every record's page as every user."""
        emails: dict[tuple[str, str], list[str]] = defaultdict(list)
        bcc: dict[tuple[str, str], frozenset[str]] = {}
        reading = self._company.store.reading
        for record in self._company.records:
            kind, _, number = record.partition(":")
            ref = RecordRef.model_validate({"kind": kind, "id": number})
            for viewer in self._company.viewers:
                before = None
                emails[viewer, record] = []
                while True:
                    page = await reading.visible_emails(viewer, ref, limit=_PAGE, before=before)
                    emails[viewer, record] += [line.email for line in page.emails]
                    for line in page.emails:
                        if line.bcc:
                            bcc[viewer, line.email] = frozenset(line.bcc)
                    if (before := page.before) is None:
                        break
        return Seen(emails, bcc)


def _stored(company: Company) -> Stored:
    with MongoClient[dict[str, Any]](company.network.servers.mongo_url, readConcernLevel="majority") as client:
        return read_stored(client, company.name, f"{company.name}-crm")


def waiting_messages(servers: LocalServers, virtual_host: str) -> dict[str, int]:
    """Return how many messages lie in each queue that has any, those in hand included."""
    broker = servers.broker
    request = urllib.request.Request(
        f"http://127.0.0.1:{broker.management_port}/api/queues/{quote(virtual_host, safe='')}?disable_stats=true&enable_queue_totals=true",
        headers={"Authorization": "Basic " + base64.b64encode(f"{broker.user}:{broker.password}".encode()).decode()},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return {queue["name"]: queue["messages"] for queue in json.load(answer) if queue.get("messages")}
