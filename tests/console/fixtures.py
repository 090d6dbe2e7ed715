"""The console in this process on real servers, and browsers that keep cookies and submit forms as users do."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from typing import Any

import httpx
import structlog
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from schemas.identity import folder_id
from schemas.mail import Attachment, Content
from services.console.app import make_app, make_console
from services.console.web.endpoints import request_histogram
from services.console.web.request_context import Console
from services.runtime.logs import setup_logs
from services.settings import ConsoleSettings
from services.store import email_ref
from services.usecases.overview import OptionalBus
from tests.matcher.fixtures import mail
from tests.matcher.histories.history import History
from tests.matcher.histories.steps import USERS

URL = "https://console.test"
ANN, BOB, EVE, ZOE = USERS
"""Ann administers and shares her mail, Bob's is private, Eve's is public, Zoe has no mailbox."""
CARLA, PAUL = "carla@client.example", "paul@eu.partner.example"
_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


@dataclass
class Browser:
    """A user's browser: its cookies, and the form tokens of the last page."""

    client: httpx.AsyncClient
    last: str = ""
    """The page that it shows."""

    @classmethod
    def of(cls, app: Starlette, client: str = "192.0.2.1") -> Browser:
        """Return the browser of a visitor who is not signed in."""
        transport = httpx.ASGITransport(app, client=(client, 1234))
        return cls(httpx.AsyncClient(transport=transport, base_url=URL))

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page without following redirects."""
        answer = await self.client.get(path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.last = answer.text
        return answer

    async def shows(self, path: str) -> str:
        """Open a page, check for status 200, and return its HTML."""
        answer = await self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    async def post(self, path: str, *, page: str | None = None, **fields: Any) -> httpx.Response:
        """Submit a form with the token of the page that contains it (by default the same path)."""
        if page is not None or not _TOKEN.search(self.last):
            await self.get(page or path)
        data = {"token": token_of(self.last), **fields}
        answer = await self.client.post(path, data=data)
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.last = answer.text
        return answer

    async def follow(self, answer: httpx.Response) -> str:
        """Follow a redirect and return the page."""
        assert answer.status_code == 303, (answer.status_code, answer.text)
        return await self.shows(answer.headers["location"])


def token_of(page: str) -> str:
    """Return the token of a page's forms; empty if it has none."""
    found = _TOKEN.search(page)
    return found[1] if found else ""


def text_of(page: str) -> str:
    """Return the text of a page, without markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@dataclass
class Office:
    """A company, and its console."""

    life: History
    console: Console
    app: Starlette
    log: io.StringIO
    browsers: list[Browser] = field(default_factory=list)

    def browser(self, client: str = "192.0.2.1") -> Browser:
        """Return the browser of a visitor who is not signed in."""
        return Browser.of(self.app, client)

    async def link(self, user: str, **options: Any) -> str:
        """Return the path of a new link for a user."""
        token = self.console.signer.new_link()
        await self.console.store.sign_ins.offer(user, token, **{"lasts": timedelta(minutes=1), **options})
        return f"/sign-in/{token}"

    async def signed_in(self, user: str) -> Browser:
        """Return the browser of a signed-in user."""
        browser = self.browser()
        path = await self.link(user)
        answer = await browser.post(path, page=path)
        assert answer.status_code == 303, answer.text
        browser.last = ""
        return browser


@asynccontextmanager
async def open_office(life: History, settings: ConsoleSettings, broker: OptionalBus | None) -> AsyncIterator[Office]:
    """Yield a console on the store of a company."""
    log, registry = io.StringIO(), CollectorRegistry()
    logger = setup_logs(settings.model_copy(update={"log_level": "debug", "log_format": "json"}), "console", log)
    console = make_console(life.store, settings, broker=broker, registry=registry, log=logger)
    yield Office(life, console, make_app(console, request_histogram(registry)), log)
    structlog.reset_defaults()


INBOX = folder_id(b"INBOX")
PIXEL = b"\x89PNG\r\n\x1a\n pixel"
HTML = (
    '<p onclick="evil()" style="color:red;position:fixed;background:url(https://track.example/a)">Dear Ann</p>'
    "<script>alert(1)</script><form action=/sign-out method=post><button>x</button></form>"
    '<img src="https://track.example/pixel.png"><img src="cid:logo"><a href="javascript:alert(1)">bad</a>'
    '<a href="https://ok.example/">good</a><iframe src="https://evil.example"></iframe>'
)


def rich(name: str, sender: str, *to: str, **fields: Any) -> Content:
    """Return a mail with HTML, an inline image and an attachment with a hostile name."""
    file = f"<script>of {name}</script>".encode()
    attachments = (
        Attachment(
            name='../"ev\u202eil.html', media_type="text/html", size=len(file), sha256=hashlib.sha256(file).hexdigest()
        ),
        Attachment(
            name="logo.png",
            media_type="image/png",
            size=len(PIXEL),
            sha256=hashlib.sha256(PIXEL).hexdigest(),
            content_id="logo",
            inline=True,
        ),
    )
    return mail(name, sender, *to, html=HTML, attachments=attachments, **fields)


async def put_rich(life: History, box: str, content: Content) -> None:
    """Deliver a mail of ``rich`` to a mailbox."""
    name = content.subject.removeprefix("Subject ")
    blobs = [(f"<script>of {name}</script>".encode(), email_ref(content.key)), (PIXEL, email_ref(content.key))]
    await life.store.blobs.put_many(blobs)
    await life.match(await life.copy(life.accounts[life.boxes[box]], content))


async def set_up_company(life: History) -> None:
    """Set up a small company: Ann is public, Bob private, Eve public except for partner.example; Carla and Paul are records."""
    for step in (
        ("connect", ANN, "public", ()),
        ("connect", BOB, "private", ()),
        ("connect", EVE, "custom", ("partner.example",)),
        ("record", "R1", "contact", (CARLA,)),
        ("record", "R2", "lead", (PAUL,)),
        ("letter", "shared", (CARLA, ANN), (), True),
        ("letter", "secret", (CARLA, BOB), (), True),
        ("letter", "answer", (ANN, CARLA), ("shared",), True),
        ("letter", "partner", (PAUL, EVE), (), True),
        ("letter", "blind", (ANN, "who@else.example"), (), True),
        ("arrive", ((ANN, "shared", (), False), (ANN, "answer", (), True), (ANN, "blind", (CARLA,), True))),
        ("arrive", ((BOB, "secret", (), False), (EVE, "partner", (), False))),
        ("settle",),
    ):
        await life.do(step)
    await life.store.users.set_admin(ANN, admin=True, by="operator")
    await life.crm["contacts"].update_one({}, {"$set": {"name": "Carla Rossi", "company": "Client & Co"}})
    await life.crm["leads"].update_one({}, {"$set": {"name": "Paul Partner"}})
