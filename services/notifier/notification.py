"""One mail that has to go out once: what becomes of its claim, whatever sending it comes to."""

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

STALE = timedelta(seconds=45)
"""A claim is renewed three times as often while the mail is being sent: one that is older is of a notifier that died."""
UNBROKEN = 10.0
"""Seconds that a mail server is given to answer when the notifier is told to end."""
LATER, MUCH_LATER = timedelta(minutes=1), timedelta(hours=1)
"""After how long a mail that was refused for now, or for good (the owner's address may be corrected), is tried again."""


class Claims(Protocol):
    """``store.epochs`` and ``store.attention``: claims by account and number (of the backfill, of the incident)."""

    async def sent(self, account: str, number: int, /) -> None:
        """Note that the mail was taken."""

    async def renew(self, account: str, number: int, /) -> None:
        """Say that the claim holds still."""

    async def release(self, account: str, number: int, /) -> None:
        """Give the claim back."""

    async def postpone(self, account: str, number: int, /, *, stale: timedelta, delay: timedelta) -> None:
        """Keep the claim until then."""


class OwnerMail(NamedTuple):
    """A mail and the one whom it is for."""

    mail: EmailMessage
    to: str
    kind: Literal["confirmation", "attention"]


Send = Callable[[OwnerMail], Awaitable[None]]
"""Sends, or raises MailServerError (the server cannot be used) or RejectedError (it refuses this mail)."""


class Notification(NamedTuple):
    """A claimed duty to send."""

    claims: Claims
    account: str
    number: int

    async def fulfil(
        self, write: Callable[[], Awaitable[OwnerMail | None]], send: Send, log: structlog.typing.FilteringBoundLogger
    ) -> bool:
        """Write and send the mail and note that it went out; None has become pointless.

        Returns False when the mail server cannot be used at all: other mails would fare no better. What is refused stays due.
        Who is told to end does so after it: the mail may be with the server already, and would be sent again.
        """
        return await run_shielded(self._fulfil(write, send, log), seconds=UNBROKEN)

    async def _fulfil(
        self, write: Callable[[], Awaitable[OwnerMail | None]], send: Send, log: structlog.typing.FilteringBoundLogger
    ) -> bool:
        name = (self.account, self.number)
        try:
            if not await self._send(write, send, log):
                return True
        except RejectedError as error:
            log.warning(
                "the mail server refuses the mail to this account's owner", account=self.account, code=error.code
            )
            await self.claims.postpone(*name, stale=STALE, delay=LATER if error.transient else MUCH_LATER)
            return True
        except MailServerError as error:
            log.error("no mail can be sent: see to LEADMAIL_SMTP_URL and its server", error=str(error))  # noqa: TRY400
            await self.claims.release(*name)
            return False
        except Exception:
            # One that cannot even be written must not keep the others waiting.
            await self.claims.postpone(*name, stale=STALE, delay=LATER)
            raise
        except BaseException:
            await self.claims.release(*name)
            raise
        await self.claims.sent(*name)
        log.info("mail sent", account=self.account)
        return True

    async def _send(
        self, write: Callable[[], Awaitable[OwnerMail | None]], send: Send, log: structlog.typing.FilteringBoundLogger
    ) -> bool:
        """Write and send the mail, and renew the claim meanwhile. False when it has become pointless."""
        renew = partial(self.claims.renew, self.account, self.number)
        seconds = STALE.total_seconds() / 3
        renewing = asyncio.create_task(periodic("claim", renew, seconds=seconds, log=log, at_once=False))
        try:
            mail = await write()
            if mail is not None:
                await send(mail)
            return mail is not None
        finally:
            await cancel_and_wait(renewing)
