"""The flow: take the duty to send by compare-and-set, write the mail, send it, note that it was sent.

After a crash between sending and noting, the stale claim is taken over and the same mail, with the same Message-ID, is sent again.
A mail that the mail server does not take stays due in the database, and the sweeper tries it again: events are not retried for it,
so that a mail server that is down for a day fills no queue and makes no dead letters.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from schemas.accounts import Account, Epoch, User
from schemas.messages import AccountAttention, Event, SyncCompleted
from services.amqp.delivery.outcomes import Delivery
from services.notifier.attention import attention
from services.notifier.confirmation import confirmation
from services.notifier.notification import STALE, Notification, OwnerMail, Send
from services.store import NotFoundError, Store, now


@dataclass(frozen=True, slots=True)
class Notifier:
    """Collaborators of both mails."""

    store: Store
    send: Send
    sender: str
    log: structlog.typing.FilteringBoundLogger
    console: str = ""
    """The address of the web pages, where there are some."""

    async def completed(self, delivery: Delivery[SyncCompleted]) -> tuple[Event, ...]:
        """Send the confirmation of the epoch, unless it was sent or somebody is at it."""
        epoch = await self.store.epochs.claim(delivery.message.account, delivery.message.epoch, stale=STALE)
        if epoch is not None:
            await self._confirm(epoch)
        return ()

    async def attention(self, delivery: Delivery[AccountAttention]) -> tuple[Event, ...]:
        """Tell the owner of a blocked account, once an incident."""
        await self._alert(delivery.message.account, delivery.message.incident)
        return ()

    async def sweep(self) -> None:
        """Send what is due in the database: covers lost events, crashes, and mail servers that did not take a mail."""
        while (epoch := await self.store.epochs.claim_due(stale=STALE)) is not None:
            if not await self._confirm(epoch):
                return
        for account, incident, _ in await self.store.attention.due():
            if not await self._alert(account, incident):
                return

    async def _confirm(self, epoch: Epoch) -> bool:
        async def write() -> OwnerMail | None:
            report = await self.store.status.report(epoch.account, epoch.number)
            if report is None:
                return None  # the account was purged meanwhile, and its epochs with it
            owner = await self._owner(report.owner)
            company = await self.store.company.policy()
            # Not by its number: a backfill that a new one took over was never confirmed.
            earlier = [one for one in await self.store.epochs.of(epoch.account) if one.number < epoch.number]
            mail = confirmation(
                sender=self.sender,
                owner=owner,
                report=report,
                company=company,
                first=not earlier,
                console=self.console,
            )
            return OwnerMail(mail, owner.email, "confirmation")

        log = self.log.bind(mail="confirmation", epoch=epoch.number)
        return await Notification(self.store.epochs, epoch.account, epoch.number).fulfil(write, self.send, log)

    async def _alert(self, account_id: str, incident: int) -> bool:
        account = await self.store.attention.claim(account_id, incident, stale=STALE)
        if account is None:
            return True

        async def write() -> OwnerMail:
            return await self._attention(account)

        log = self.log.bind(mail="attention", incident=incident, reason=account.reason)
        return await Notification(self.store.attention, account_id, incident).fulfil(write, self.send, log)

    async def _attention(self, account: Account) -> OwnerMail:
        owner = await self._owner(account.owner)
        mail = attention(sender=self.sender, owner=owner, account=account, now=now(), console=self.console)
        return OwnerMail(mail, owner.email, "attention")

    async def _owner(self, email: str) -> User:
        """Return an account's owner. One who is no user any more is told all the same: it is his mailbox."""
        try:
            return await self.store.users.get(email)
        except NotFoundError:
            return User(email=email, created_at=now())
