"""Sends sign-in links. The user is looked up here, after the page has been sent, so that its timing reveals no addresses."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter

from services.console.web.rendering import Templates
from services.mailbox.connection import MailServerError
from services.mailbox.outgoing_mail import build_mail
from services.runtime.failures import describe
from services.runtime.tasks import raise_if_cancelled
from services.settings import ConsoleSettings
from services.store import NotFoundError, Store
from services.usecases.signing import LASTS, Signer, link_url
from services.wiring import Post

_MOST_WAITING = 100
MOST, MOST_IN_ALL, WITHIN = 5, 15, timedelta(minutes=15)
"""At most so many links to one address within this time: requested by one client, and by all of them.

One client cannot use up what an address gets, so that strangers do not keep a user from signing in.
"""


class LinkRequest(NamedTuple):
    """Someone entered an address to sign in."""

    address: str
    page: str
    client: str


class SignInMails:
    """Sends one mail at a time. Requests still waiting when the process stops are lost; users ask again."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        post: Post,
        *,
        settings: ConsoleSettings,
        templates: Templates,
        registry: CollectorRegistry,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._signer = signer
        self._post = post
        self._settings = settings
        self._templates = templates
        self._sent = sign_in_counter(registry)
        self._log = log
        self._waiting: asyncio.Queue[LinkRequest] = asyncio.Queue(_MOST_WAITING)

    def enqueue(self, request: LinkRequest) -> None:
        """Queue a link for an address; it is sent only if the address belongs to a user."""
        try:
            self._waiting.put_nowait(request)
        except asyncio.QueueFull:
            self._count("dropped")

    async def run(self) -> None:
        """Send queued links until cancelled."""
        while True:
            request = await self._waiting.get()
            try:
                self._count(await self._send(request))
            except Exception as error:  # noqa: BLE001 - the next one may succeed; the text of an error may name people
                raise_if_cancelled()
                why = str(error) if isinstance(error, MailServerError) else describe(error)
                self._log.error("could not send a sign-in mail", error=why)
                self._count("failed")
            finally:
                self._waiting.task_done()

    async def _send(self, request: LinkRequest) -> str:
        sign_ins, limits = self._store.sign_ins, _limits(request)
        for what, most in limits.items():
            if not await sign_ins.attempt(what, most=most, within=WITHIN):
                return "too-many"
        try:
            return await self._offer(request)
        except Exception:
            for what in limits:  # a mail that was not sent does not count
                await sign_ins.take_back_attempt(what, within=WITHIN)
            raise

    async def _offer(self, request: LinkRequest) -> str:
        token = self._signer.new_link()
        try:
            user = await self._store.sign_ins.offer(request.address, token, lasts=LASTS, page=request.page)
        except NotFoundError:
            return "unknown"
        url = link_url(self._settings.console_url, token)
        values = {"user": user, "url": url, "minutes": int(LASTS.total_seconds() // 60)}
        sender = self._settings.mail_from
        mail = build_mail(
            sender=sender,
            to=[user],
            subject="Sign in to Leadmail",
            text=self._templates.render("mails/sign_in.txt", **values),
            html=self._templates.render("mails/sign_in.html", **values),
        )
        await self._post(mail, user.email)
        return "sent"

    def _count(self, outcome: str) -> None:
        self._sent.labels(outcome).inc()


def _limits(request: LinkRequest) -> dict[str, int]:
    """Return what a request counts for, the client's own limit first: what is beyond it counts for no one else."""
    address = f"address/{request.address}"
    return {f"{address}/{request.client}": MOST, address: MOST_IN_ALL}


def sign_in_counter(registry: CollectorRegistry) -> Counter:
    """Register the counter of sign-in mails."""
    return Counter(
        "leadmail_console_sign_in_mails",
        "Sign-in links requested, by outcome: sent, unknown (not a user's address), too-many, failed, dropped",
        ["outcome"],
        registry=registry,
    )
