"""Mails with a one-time link. Whether an address is a user's is looked up here, after the answer was given: nobody can tell by it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.utils import format_datetime, make_msgid, parseaddr
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter

from services.console.web.rendering import Pages
from services.mailbox.connection import MailServerError
from services.mailbox.outgoing_mail import build_mail
from services.runtime.failures import describe
from services.runtime.tasks import raise_if_cancelled
from services.settings import ConsoleSettings
from services.store import NotFoundError, Store, now
from services.usecases.signing import LASTS, Signer, link_url
from services.wiring import Post

_MOST_WAITING = 100
MOST, WITHIN = 5, timedelta(minutes=15)
"""Links to one address in a span of time."""


class Asked(NamedTuple):
    """Somebody typed an address."""

    address: str
    page: str


class SignInMails:
    """Sends one after the other. What waits when the process ends is lost: it is asked for again."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        post: Post,
        *,
        settings: ConsoleSettings,
        pages: Pages,
        registry: CollectorRegistry,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._signer = signer
        self._post = post
        self._settings = settings
        self._pages = pages
        self._sent = sign_in_counter(registry)
        self._log = log
        self._waiting: asyncio.Queue[Asked] = asyncio.Queue(_MOST_WAITING)

    def ask(self, asked: Asked) -> None:
        """Have a link sent to an address, if it is a user's."""
        try:
            self._waiting.put_nowait(asked)
        except asyncio.QueueFull:
            self._count("dropped")

    async def run(self) -> None:
        """Send what is asked for until cancelled."""
        while True:
            asked = await self._waiting.get()
            try:
                self._count(await self._send(asked))
            except Exception as error:  # noqa: BLE001 - the next one may fare better; the text of an error may name people
                raise_if_cancelled()
                why = str(error) if isinstance(error, MailServerError) else describe(error)
                self._log.error("a sign-in mail was not sent", error=why)
                self._count("failed")

    async def _send(self, asked: Asked) -> str:
        if not await self._store.sign_ins.attempt(f"address/{asked.address}", most=MOST, within=WITHIN):
            return "too-many"
        token = self._signer.new_link()
        try:
            user = await self._store.sign_ins.offer(asked.address, token, lasts=LASTS, page=asked.page)
        except NotFoundError:
            return "unknown"
        url = link_url(self._settings.console_url, token)
        facts = {"user": user, "url": url, "minutes": int(LASTS.total_seconds() // 60)}
        sender = self._settings.mail_from
        mail = build_mail(
            sender=sender,
            to=user,
            subject="Sign in to Leadmail",
            message_id=make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2]),
            date=format_datetime(now()),
            text=self._pages.render("mails/sign_in.txt", **facts),
            html=self._pages.render("mails/sign_in.html", **facts),
        )
        await self._post(mail, user.email)
        return "sent"

    def _count(self, outcome: str) -> None:
        self._sent.labels(outcome).inc()


def sign_in_counter(registry: CollectorRegistry) -> Counter:
    """Register the counter of sign-in mails."""
    return Counter(
        "leadmail_console_sign_in_mails",
        "Links asked for, by outcome: sent, unknown (no user's address), too-many, failed, dropped",
        ["outcome"],
        registry=registry,
    )
