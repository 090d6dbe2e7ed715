"""The flow: take the duty to send by compare-and-set, write the mail, send it, note that it was sent.

After a crash between sending and noting, the stale claim is taken over and the same mail, with the same Message-ID, is sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage

import structlog

from schemas.accounts import Epoch
from schemas.messages import AccountAttention, Message, SyncCompleted
from services.mailbox.errors import MailServerError
from services.mailbox.smtp_connect import RejectedError
from services.notifier.attention import attention
from services.notifier.confirmation import confirmation
from services.runtime.errors import TransientError
from services.runtime.outcomes import Delivery
from services.store import Store
from services.store.documents import now

STALE = timedelta(minutes=2)
"""Longer than sending takes: a claim older than this is one of a notifier that died."""

Send = Callable[[EmailMessage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Notifier:
    """Collaborators of both mails."""

    store: Store
    send: Send
    sender: str
    log: structlog.typing.FilteringBoundLogger

    async def completed(self, delivery: Delivery[SyncCompleted]) -> tuple[Message, ...]:
        """Send the confirmation of the epoch, unless it was sent or somebody is at it (then the sweeper looks after that)."""
        message = delivery.message
        epoch = await self.store.epochs.claim(message.account, message.epoch, stale=STALE)
        if epoch is not None:
            await self._confirm(epoch)
        return ()

    async def attention(self, delivery: Delivery[AccountAttention]) -> tuple[Message, ...]:
        """Tell the owner of a blocked account, once an incident."""
        await self._alert(delivery.message.account, delivery.message.incident)
        return ()

    async def sweep(self) -> None:
        """Send what is due in the database: covers lost events, crashes, and mail servers that were down for long."""
        while (epoch := await self.store.epochs.claim_due(stale=STALE)) is not None:
            await self._confirm(epoch)
        for account, incident, _ in await self.store.attention.due():
            await self._alert(account, incident)

    async def _confirm(self, epoch: Epoch) -> None:
        store = self.store
        try:
            report = await store.status.report(epoch.account, epoch.number)
            if report is None:
                return  # the account was purged meanwhile, and its epochs with it
            owner = await store.users.get(report.owner)
            mail = confirmation(sender=self.sender, owner=owner, report=report, company=await store.company.policy())
            await self._deliver(mail)
        except BaseException:
            await store.epochs.release(epoch.account, epoch.number)
            raise
        await store.epochs.sent(epoch.account, epoch.number)
        self.log.info("confirmation sent", account=epoch.account, epoch=epoch.number)

    async def _alert(self, account_id: str, incident: int) -> None:
        store = self.store
        account = await store.attention.claim(account_id, incident, stale=STALE)
        if account is None:
            return
        try:
            owner = await store.users.get(account.owner)
            await self._deliver(attention(sender=self.sender, owner=owner, account=account, now=now()))
        except BaseException:
            await store.attention.release(account_id, incident)
            raise
        await store.attention.sent(account_id, incident)
        self.log.info("attention mail sent", account=account_id, incident=incident, reason=account.reason)

    async def _deliver(self, mail: EmailMessage) -> None:
        """Send; whatever the mail server has against it, the mail stays due."""
        try:
            await self.send(mail)
        except (MailServerError, RejectedError) as error:
            raise TransientError(f"the mail server did not take the mail: {error}") from error
