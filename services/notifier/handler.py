"""The notifier's flow: claim a notification by compare-and-set, build the mail, send it, mark it as sent.

After a crash between sending and marking, another notifier takes over the stale claim and sends the same mail under the same
Message-ID. If the mail server rejects a mail or is down, the notification stays due in the database and the sweeper retries it.
The event is not retried, so an outage of the mail server fills no queue and creates no dead letters.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

import structlog

from schemas.accounts import Account, Trouble, User
from schemas.ledger import Epoch
from schemas.messages import AccountAttention, Event, SyncCompleted
from services.amqp import Delivery
from services.mailbox.connection import APP_ONLY, Code
from services.notifier.attention import attention, trouble_mail
from services.notifier.confirmation import confirmation
from services.notifier.notification import STALE, Notification, OwnerMail, Send
from services.store import NotFoundError, Store, now


@dataclass(frozen=True, slots=True)
class Notifier:
    """Sends both kinds of mail."""

    store: Store
    send: Send
    sender: str
    log: structlog.typing.FilteringBoundLogger
    console: str = ""
    """The address of the web console, or empty."""
    lasting: timedelta | None = None
    """After how long a trouble with an active account is worth a mail; None for never."""

    async def completed(self, delivery: Delivery[SyncCompleted]) -> tuple[Event, ...]:
        """Send the confirmation of the epoch, unless it was sent or is being sent."""
        epoch = await self.store.epochs.claim(delivery.message.account, delivery.message.epoch, stale=STALE)
        if epoch is not None:
            await self._send_confirmation(epoch)
        return ()

    async def attention(self, delivery: Delivery[AccountAttention]) -> tuple[Event, ...]:
        """Mail the owner of a blocked account, once per incident."""
        await self._send_attention(delivery.message.account, delivery.message.incident)
        return ()

    async def sweep(self) -> None:
        """Send what is due in the database, after lost events, crashes, and failures of the mail server."""
        while (epoch := await self.store.epochs.claim_due(stale=STALE)) is not None:
            if not await self._send_confirmation(epoch):
                return
        for account, incident, _ in await self.store.attention.due():
            if not await self._send_attention(account, incident):
                return
        if self.lasting is not None:
            for account, number in await self.store.trouble_mails.due(self.lasting):
                if not await self._send_trouble(account, number):
                    return

    async def _send_trouble(self, account_id: str, number: int) -> bool:
        account = await self.store.trouble_mails.claim(account_id, number, stale=STALE)
        if account is None or account.trouble is None:
            return True
        trouble = account.trouble

        async def compose() -> OwnerMail | None:
            people = await self._concerned(account, trouble)
            if not people:
                return None
            first, *others = people
            mail = trouble_mail(
                sender=self.sender,
                to=people,
                account=account,
                trouble=trouble,
                number=number,
                now=now(),
                console=self.console,
            )
            return OwnerMail(mail, first.email, "attention", tuple(one.email for one in others))

        log = self.log.bind(mail="trouble", reason=trouble.code)
        mails = self.store.trouble_mails
        if trouble.code in APP_ONLY - {Code.MAILBOX_NOT_GRANTED}:
            mails = mails.about(trouble.code)
        return await Notification(mails, account_id, number).deliver(compose, self.send, log)

    async def _send_confirmation(self, epoch: Epoch) -> bool:
        async def compose() -> OwnerMail | None:
            report = await self.store.status.report(epoch.account, epoch.number)
            if report is None or not report.holders:
                return None  # the account was purged, or its last holder left, meanwhile
            first, *others = people = await self._people(report.holders)
            company = await self.store.company.policy()
            # Not number == 1: a later backfill may have superseded the first, which then was never confirmed.
            earlier = [one for one in await self.store.epochs.of(epoch.account) if one.number < epoch.number]
            mail = confirmation(
                sender=self.sender,
                to=people,
                report=report,
                company=company,
                first=not earlier,
                console=self.console,
            )
            return OwnerMail(mail, first.email, "confirmation", tuple(one.email for one in others))

        log = self.log.bind(mail="confirmation", epoch=epoch.number)
        return await Notification(self.store.epochs, epoch.account, epoch.number).deliver(compose, self.send, log)

    async def _send_attention(self, account_id: str, incident: int) -> bool:
        account = await self.store.attention.claim(account_id, incident, stale=STALE)
        if account is None:
            return True

        async def compose() -> OwnerMail | None:
            return await self._attention(account)

        log = self.log.bind(mail="attention", incident=incident, reason=account.reason)
        return await Notification(self.store.attention, account_id, incident).deliver(compose, self.send, log)

    async def _attention(self, account: Account) -> OwnerMail | None:
        people = await self._people(account.holders) or await self._administrators()
        if not people:
            return None
        first, *others = people
        mail = attention(sender=self.sender, to=people, account=account, now=now(), console=self.console)
        return OwnerMail(mail, first.email, "attention", tuple(one.email for one in others))

    async def _concerned(self, account: Account, trouble: Trouble) -> list[User]:
        """Return who can do something about a trouble: the administrators, if Leadmail may not open a mailbox in its own name."""
        administrators = await self._administrators()
        if trouble.code in APP_ONLY and administrators:
            return administrators
        return await self._people(account.holders) or administrators

    async def _administrators(self) -> list[User]:
        """Return who gets a mail about a shared mailbox of which every member was removed."""
        return [user for user in await self.store.users.get_all() if user.admin and not user.disabled]

    async def _people(self, holders: Collection[str]) -> list[User]:
        """Return who gets a mail about an account: its owner, or the members of its team who are not disabled.

        If there is none of these, all get it: it is about their mailbox.
        """
        found = [await self._user(email) for email in holders]
        return [user for user in found if not user.disabled] or found

    async def _user(self, email: str) -> User:
        """Return a user. A removed one still gets the mail: it is about their mailbox."""
        try:
            return await self.store.users.get(email)
        except NotFoundError:
            return User(email=email, created_at=now())
