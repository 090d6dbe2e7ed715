"""Delivers one claimed notification: keeps the claim alive, and settles it whatever happens to the mail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from typing import Literal, NamedTuple, Protocol

import structlog

from services.mailbox.connection import MailServerError
from services.mailbox.smtp import RejectedError
from services.runtime.periodic import periodic
from services.runtime.tasks import cancel_and_wait, run_shielded

log = structlog.get_logger(__name__)
STALE = timedelta(seconds=45)
"""Age at which a claim is taken over. A live notifier renews it three times as often while it sends."""
SHUTDOWN_SECONDS = 10.0
"""How long a mail that is being sent at shutdown may take."""
RETRY_DELAY, REJECTED_DELAY = timedelta(minutes=1), timedelta(hours=1)
"""Pause after a temporary and after a permanent rejection; an administrator may correct the owner's address."""


class Claims(Protocol):
    """Claims by account and number: ``store.epochs`` (of a backfill) and ``store.attention`` (of an incident)."""

    async def sent(self, account: str, number: int, /) -> None:
        """Mark the mail as sent."""

    async def renew(self, account: str, number: int, /) -> None:
        """Extend the claim."""

    async def release(self, account: str, number: int, /) -> None:
        """Release the claim."""

    async def postpone(self, account: str, number: int, /, *, stale: timedelta, delay: timedelta) -> None:
        """Keep the claim so that it becomes stale after ``delay``."""


class OwnerMail(NamedTuple):
    """A mail and its recipient."""

    mail: EmailMessage
    to: str
    kind: Literal["confirmation", "attention"]
    others: tuple[str, ...] = ()
    """Further recipients of the same mail."""


Send = Callable[[OwnerMail], Awaitable[None]]
"""Sends a mail. Raises MailServerError if the server is unusable, RejectedError if it refuses this mail."""


async def send_to_each(mail: OwnerMail, post: Callable[[EmailMessage, str], Awaitable[None]]) -> None:
    """Send a mail to each of its recipients. An address that is refused keeps it from no other, and the others get it once.

    Raises:
        MailServerError: the server is unusable.
        RejectedError: it refuses every recipient.
    """
    refusals = list[RejectedError]()
    recipients = (mail.to, *mail.others)
    for to in recipients:
        try:
            await post(mail.mail, to)
        except RejectedError as error:
            refusals.append(error)
    if len(refusals) == len(recipients):
        raise refusals[0]
    if refusals:
        log.warning("the mail server rejects the mail to some of its recipients", codes=[one.code for one in refusals])


class Notification(NamedTuple):
    """A claimed notification."""

    claims: Claims
    account: str
    number: int

    async def deliver(
        self, compose: Callable[[], Awaitable[OwnerMail | None]], send: Send, log: structlog.typing.FilteringBoundLogger
    ) -> bool:
        """Compose and send the mail, then mark it as sent. If ``compose`` returns None, there is nothing left to send.

        Returns False if the mail server is unusable, so that other mails would fail, too. A rejected mail stays due.
        A cancellation takes effect afterwards: the server may have the mail already, and it would be sent again.
        """
        return await run_shielded(self._deliver(compose, send, log), seconds=SHUTDOWN_SECONDS)

    async def _deliver(
        self, compose: Callable[[], Awaitable[OwnerMail | None]], send: Send, log: structlog.typing.FilteringBoundLogger
    ) -> bool:
        name = (self.account, self.number)
        try:
            if not await self._send(compose, send, log):
                return True
        except RejectedError as error:
            log.warning(
                "the mail server rejects the mail to this account's owner", account=self.account, code=error.code
            )
            await self.claims.postpone(*name, stale=STALE, delay=RETRY_DELAY if error.transient else REJECTED_DELAY)
            return True
        except MailServerError as error:
            log.error("no mail can be sent: check LEADMAIL_SMTP_URL and its server", error=str(error))  # noqa: TRY400
            await self.claims.release(*name)
            return False
        except Exception:
            # A mail that cannot be composed must not block the others.
            await self.claims.postpone(*name, stale=STALE, delay=RETRY_DELAY)
            raise
        except BaseException:
            await self.claims.release(*name)
            raise
        await self.claims.sent(*name)
        log.info("mail sent", account=self.account)
        return True

    async def _send(
        self, compose: Callable[[], Awaitable[OwnerMail | None]], send: Send, log: structlog.typing.FilteringBoundLogger
    ) -> bool:
        """Compose and send the mail while renewing the claim. Return False if there is nothing to send."""
        renew = partial(self.claims.renew, self.account, self.number)
        seconds = STALE.total_seconds() / 3
        renewing = asyncio.create_task(periodic("claim", renew, seconds=seconds, log=log, at_once=False))
        try:
            mail = await compose()
            if mail is not None:
                await send(mail)
            return mail is not None
        finally:
            await cancel_and_wait(renewing)
