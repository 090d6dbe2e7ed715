"""How long new mail takes to the record page: from the server's ``EXISTS``, and from the end of its delivery."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from email import message_from_bytes
from email.utils import parseaddr
from typing import NamedTuple

from schemas.identity import copies_of_folder
from schemas.ledger import RowState
from testbed.bench.backfill import confirmations, confirmed
from testbed.bench.deployment import Deployment
from testbed.bench.mailboxes import BenchError, MailLogin
from testbed.bench.notice_proxy import NoticeProxy

OWNER = "live@bench.example"
ADDRESS = "live.mailbox@bench-company.example"
_SHORTEST_PAUSE_S = 0.002
_PAUSE_SHARE = 0.04
"""Asking again after this share of the time waited so far: the error stays below it, and a slow system is not slowed further."""
_LONGEST_S = 120.0


class MailTimes(NamedTuple):
    """The times of one mail, monotonic seconds."""

    delivered: float
    """The mail server had said "250" to its delivery."""
    noticed: float
    """The server said EXISTS."""
    visible: float
    """A reader saw it."""


class Ended(asyncio.Event):
    """An event that knows when it was set (monotonic seconds)."""

    moment = float("inf")

    def set(self) -> None:
        """Set it, now."""
        self.moment = min(self.moment, time.monotonic())
        super().set()


class LiveMailbox(NamedTuple):
    """A connected, empty mailbox behind the proxy, whose first (empty) backfill is confirmed."""

    deployment: Deployment
    mailbox: MailLogin
    proxy: NoticeProxy
    rows: tuple[str, str]
    """Lowest and highest copy id of its inbox."""


async def connect(deployment: Deployment, mailbox: MailLogin, proxy: NoticeProxy) -> LiveMailbox:
    """Connect an empty mailbox by way of the proxy and wait until it is confirmed and quiet."""
    await deployment.command("user", "add", OWNER)
    before = len(confirmations(deployment.servers, OWNER))
    account = await deployment.connect(mailbox, owner=OWNER, address=ADDRESS, port=proxy.listening)
    await confirmed(deployment, account, before)
    inbox = next(folder for folder in await deployment.store.folders.of(account.id) if folder.role == "inbox")
    await deployment.rest()
    return LiveMailbox(deployment, mailbox, proxy, copies_of_folder(account.id, inbox.id, inbox.uidvalidity))


async def measure(
    live: LiveMailbox, mails: Iterable[bytes], *, gap: float, first: int, ended: Ended | None = None
) -> list[MailTimes]:
    """Deliver mail one by one and time each.

    Args:
        live: the mailbox.
        mails: raw, each from a contact.
        gap: mean seconds between two deliveries; up to a third more or less, so that deliveries follow no rhythm.
        first: number of the first mail in the mailbox (its uid).
        ended: deliver no more when this is set, and leave out what was not visible by then.
    """
    random_gap = random.Random(first)  # noqa: S311 - a fixed seed, not a secret
    watchers: list[asyncio.Task[MailTimes]] = []
    servers = live.deployment.servers
    async with asyncio.TaskGroup() as group:
        for number, raw in enumerate(mails, first):
            if ended and ended.is_set():
                break
            began = time.monotonic()
            await asyncio.to_thread(servers.deliver, live.mailbox.username, raw)
            watchers.append(group.create_task(_watch(live, number, raw, time.monotonic())))
            live.deployment.check_alive()
            await asyncio.sleep(max(0.0, gap * random_gap.uniform(2 / 3, 4 / 3) - (time.monotonic() - began)))
    limit = ended.moment if ended else float("inf")
    return [seen for seen in (watcher.result() for watcher in watchers) if seen.visible <= limit]


async def _watch(live: LiveMailbox, uid: int, raw: bytes, delivered: float) -> MailTimes:
    """Return the times of one mail.

    It polls the ledger's row, which is one small read: the matcher writes "attached" last, when the email is visible. Then it
    reads the record's page as its owner, to check that.
    """
    store = live.deployment.store
    async with asyncio.timeout(_LONGEST_S):
        noticed = await live.proxy.notices.moment(uid)
        row_id = f"{live.rows[0].rpartition('.')[0]}.{uid:010d}"
        while True:
            row = await store.ledger.get(row_id)
            visible = time.monotonic()
            if row is not None and row.state is RowState.ATTACHED:
                break
            if row is not None and row.state not in {RowState.PLANNED, RowState.PUBLISHED}:
                raise BenchError(f"live mail {uid} became {row.state.value}, not attached")
            await asyncio.sleep(max(_SHORTEST_PAUSE_S, _PAUSE_SHARE * (visible - noticed)))
    sender = parseaddr(str(message_from_bytes(raw)["From"]))[1]
    page = await store.reading.visible_emails(OWNER, await live.deployment.record(sender), limit=200)
    if row.email not in {line.email for line in page.emails}:
        raise BenchError(f"live mail {uid} is attached, but not on the page of its record")
    return MailTimes(delivered, noticed, visible)
