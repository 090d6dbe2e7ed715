"""A small deployment with data, and the command as a script runs it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pymongo import AsyncMongoClient
from typer.testing import CliRunner

from schemas.accounts import ServerAddress
from schemas.emails import Match
from schemas.identity import folder_id
from schemas.ledger import RowState
from schemas.mail import Attachment, Content, Participant, Role
from services.cli.app import app
from services.mailbox.connection import SecretBox, password
from services.settings import CliSettings
from services.store import DeadLetter, LinkAddition, NewRecord, RowOutcome, Store, email_ref, new_account_id
from services.store.core.documents import now
from services.wiring import make_secret_box, make_store
from tests.factories import account as account_of
from tests.factories import folder, lease_of, sealed_epoch

T = TypeVar("T")
ANNA, LUC, KIM = "anna@nw.example", "luc@nw.example", "kim@customer.example"
START = datetime(2026, 1, 1, tzinfo=UTC)
RAW = b"From: kim@customer.example\r\nSubject: Offer \xe2\x80\xae1\r\nBcc: secret@x.example\r\n\r\nHello\x1b[31m\r\n"
FILE = b"%PDF not really"
HTML = "<p onclick=\"x()\">Hello</p><script>alert(1)</script><img src='https://evil.example/pixel.png'>"


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a command."""

    code: int
    out: str
    errors: str

    def json(self) -> Any:
        """Return what it printed as JSON."""
        return json.loads(self.out)


@dataclass
class Deployment:
    """The settings of a deployment; every call has its own loop, as every command has."""

    environment: dict[str, str]

    def run(self, *arguments: str, stdin: str | None = None, **changes: str) -> Done:
        """Run ``leadmail`` with arguments and return its result; any exception but its own exit is raised."""
        environment: dict[str, str | None] = {
            **self.environment,
            **{name: value or None for name, value in changes.items()},
        }
        done = CliRunner().invoke(app, arguments, input=stdin, env=environment, prog_name="leadmail")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command that succeeds and return what it prints."""
        done = self.run(*arguments, stdin=stdin)
        assert done.code == 0, done.errors
        return done.out

    def store(self, work: Callable[[Store, SecretBox], Awaitable[T]]) -> T:
        """Run work with the store and the secret box."""

        async def go() -> T:
            settings = CliSettings(
                secret_key=self.environment["LEADMAIL_SECRET_KEY"],
                mongo_database=self.environment["LEADMAIL_MONGO_DATABASE"],
                crm_database=self.environment["LEADMAIL_CRM_DATABASE"],
            )
            async with AsyncMongoClient[dict[str, Any]](self.environment["LEADMAIL_MONGO_URL"]) as client:
                store = make_store(client[settings.mongo_database], client[settings.crm_database], settings)
                await store.setup()
                return await work(store, make_secret_box(settings))

        return asyncio.run(go())


def check_result(text: str, result: Any) -> None:
    """Check that a JSON text has exactly the keys and values of a result type."""
    adapter = TypeAdapter(result)
    assert adapter.dump_python(adapter.validate_json(text), mode="json") == json.loads(text)


def server(host: str = "127.0.0.1", port: int = 1, user: str = ANNA) -> ServerAddress:
    """Return the address of a server that does not need to exist."""
    return ServerAddress(host=host, port=port, tls="none", username=user)


def content(name: str, **fields: Any) -> Content:
    """Return a mail from Kim to Anna."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    values: dict[str, Any] = {
        "key": f"v1-{digest[:40]}",
        "message_id": f"{name}@mail",
        "thread": "t" * 24,
        "subject": f"Subject {name}\u202e\x1b[31m",
        "snippet": "Hello",
        "text": "Hello\x1b[31m\n",
        "sent_at": START,
        "participants": (
            Participant(address=KIM, name="Kim \x1b]0;title\x07", role=Role.FROM),
            Participant(address=ANNA, role=Role.TO),
        ),
        "raw": hashlib.sha256(RAW).hexdigest(),
    }
    return Content(**values | fields)


OFFER = content(
    "offer",
    html=HTML,
    attachments=(
        Attachment(
            name="offer.pdf", media_type="application/pdf", size=len(FILE), sha256=hashlib.sha256(FILE).hexdigest()
        ),
    ),
)
PLAIN = content("plain", sent_at=START + timedelta(days=1))


async def fill(store: Store, box: SecretBox) -> str:
    """Add two users and Anna's account with two mails of contact Kim and one quarantined; return the account's id."""
    await store.users.add(ANNA, name="Anna Lind", admin=True)
    await store.users.add(LUC)
    account = new_account_id()
    sealed = box.seal(account, password("secret-of-anna"))
    await store.accounts.add(account_of(ANNA, id=account, incoming=server(), outgoing=server(), credentials=sealed))
    record = await store.records.add("contact", NewRecord((KIM,), name="Kim Sund", company="Customer"))
    await store.record_addresses.put_many([record])
    trash = folder(
        account, id=folder_id(b"T"), raw_name=b"T", name="Trash", role="trash", selected=False, reason="trash"
    )
    _, rows = await sealed_epoch(store, await lease_of(store, account), 3, trash)
    await store.blobs.put_many([(RAW, email_ref(OFFER.key)), (RAW, email_ref(PLAIN.key)), (FILE, email_ref(OFFER.key))])
    for row, mail in zip(rows, (OFFER, PLAIN), strict=False):
        await store.emails.save_many([mail])
        match = Match(address=KIM, role=Role.FROM)
        await store.links.save_many([LinkAddition(mail.key, record.ref, mail.sent_at, mail.thread, (match,), ANNA)])
        await store.matcher_ledger.finish([RowOutcome(row.id, RowState.ATTACHED, email=mail.key, bcc=())])
        await store.sharing.recompute([mail.key])
    await store.matcher_ledger.quarantine(rows[2].id, "parser-died")
    await store.dead_letters.add(
        DeadLetter(
            id=f"parser.mail-fetched.backfill/{rows[2].id}/1",
            queue="parser.mail-fetched.backfill",
            reason="parser-died",
            error="PermanentError parser-died",
            headers={
                "ce-id": f"{rows[2].id}/1",
                "ce-type": "leadmail.mail.fetched.v1",
                "content-type": "message/rfc822",
            },
            content_type="message/rfc822",
            body=RAW,
            account=account,
            row=rows[2].id,
            at=now(),
        )
    )
    await store.epochs.complete_if_done(account, 1)
    return account
