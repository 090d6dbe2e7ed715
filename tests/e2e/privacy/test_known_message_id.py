"""A sender who knows a Message-ID of a private thread gets nothing of it: with real mailboxes, all stages, the page and the wire."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.ledger import RowState
from services.store import NewRecord
from testbed.local import LocalServers
from testbed.samples.model import SampleMail, Truth
from testbed.samples.person import User
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.mail import leadmail
from tests.e2e.privacy import places
from tests.e2e.privacy.traces import Traces, gathered
from tests.poller.imap_proxy import proxy

pytestmark = pytest.mark.timeout(300)
CLIENT, STRANGER, ATTACKER = "client@customer.example", "private@home.example", "attacker@evil.example"
SECRET = f"canary{secrets.token_hex(6)}"
"""In the text of every mail of the private thread, and in its subjects."""


def person(key: str) -> User:
    """Return a user who shows all their mail."""
    return User(key=key, name=key.title(), addresses=(f"{key}.{secrets.token_hex(4)}@crm.example",), sharing="public")


def raw(name: str, sender: str, to: str, *, text: str, cc: str = "", answers: str = "") -> bytes:
    """Return a mail with a Message-ID."""
    head = f"From: {sender}\r\nTo: {to}\r\nSubject: {text}\r\nMessage-ID: <{name}@home.example>\r\n"
    head += f"Cc: {cc}\r\n" if cc else ""
    head += f"References: {' '.join(f'<{one}@home.example>' for one in answers.split())}\r\n" if answers else ""
    return f"{head}Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n{text}\r\n".encode()


def lying(user: User, content: bytes, folder: str = "INBOX") -> SampleMail:
    """Return a mail that lies in a folder."""
    truth = Truth(email="", thread="", subject="", snippet="", charset="utf-8")
    return SampleMail(user.key, folder, (), datetime(2026, 11, 23, 10, tzinfo=UTC), content, truth)


@pytest.fixture
async def company(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment without users."""
    async with deploy(servers, environment, tmp_path) as deployment:
        yield deployment


async def page(company: Deployment, viewer: str) -> list[str]:
    """Return the subjects on the client's page, as a user sees it."""
    (found,) = json.loads(await leadmail(company, "emails", CLIENT, "--viewer", viewer, "--json"))
    return sorted(one["subject"] for one in found["emails"])


async def test_nothing_of_a_private_thread_is_fetched_or_shown(company: Deployment) -> None:
    """An attacker mails the thread's owner under its Message-IDs with a client in Cc; a colleague appends such a mail to their own Sent."""
    ann, bob = person("ann"), person("bob")
    hers, his = ann.addresses[0], bob.addresses[0]
    await company.store.records.add("contact", NewRecord((CLIENT,)))
    thread = [
        lying(ann, raw("p1", STRANGER, hers, text=f"{SECRET}-1")),
        lying(ann, raw("p2", hers, STRANGER, text=f"{SECRET}-2", answers="p1"), "Sent"),
        lying(ann, raw("p3", STRANGER, hers, text=f"{SECRET}-3", answers="p1 p2")),
    ]
    forged = [
        lying(ann, raw(name, ATTACKER, hers, cc=CLIENT, text=f"forged {name}", answers=answers))
        for name, answers in (("p1", ""), ("p2", "p1"))
    ]
    appended = [lying(bob, raw(name, his, CLIENT, text=f"appended {name}"), "Sent") for name in ("p1", "p2")]
    for user, mails in ((ann, [*thread, *forged]), (bob, appended)):
        await company.add_user(user, mails)
    imap = company.servers.imap
    async with proxy(imap.host, imap.port) as wire:
        company.start(*STAGES)
        for user in (ann, bob):
            await company.connect(user, port=wire.port)
        await company.until(company.confirmed, "both backfills are confirmed")

        async def looked_at() -> bool:
            shown = ["appended p1", "appended p2", "forged p1", "forged p2"]
            return [await page(company, viewer) for viewer in (hers, his)] == [shown] * 2

        # The first look at the CRM may end after the backfills: then the client is a late contact.
        await company.until(looked_at, "the forged mail itself is on the page, and no more")
        # More of it arrives, and one more forgery; mail to the client after it shows that all was handled.
        company.phone(ann).put(raw("p4", STRANGER, hers, text=f"{SECRET}-4", answers="p1 p2 p3"))
        company.phone(ann).put(raw("p3", ATTACKER, hers, cc=CLIENT, text="forged p3", answers="p2"))
        company.phone(ann).put(raw("last", CLIENT, hers, text="last"))

        async def arrived() -> bool:
            return {"forged p3", "last"} <= set(await page(company, hers))

        await company.until(arrived, "the new mail is on the page")
        rows: dict[RowState, int] = {}

        async def noted() -> bool:
            rows.update(await company.store.ledger_counts.counts(company.accounts[ann.key]))
            return rows.get(RowState.UNMATCHED) == 4 and not rows.get(RowState.PLANNED)

        await company.until(noted, "every private mail has its row")
        assert b"BODY[HEADER]" in wire.answered
        # Headers are read to decide; no private text leaves the mailbox.
        assert not [number for number in range(1, 5) if f"\r\n\r\n{SECRET}-{number}".encode() in wire.answered]
        bodies = [part for part in wire.answered.split(b"* ") if b"BODY[]" in part]
        assert bodies
        assert not [part for part in bodies if SECRET.encode() in part]
    environment = company.environment
    stored = places.database(environment["LEADMAIL_MONGO_URL"], environment["LEADMAIL_MONGO_DATABASE"])
    assert Traces([SECRET]).among(gathered(stored)) == []
    for viewer in (hers, his):
        assert not [subject for subject in await page(company, viewer) if SECRET in subject]
    # Three of her Message-IDs are carried by two mails each. Administrators learn the number and the mailbox.
    status = json.loads(await leadmail(company, "status", "--json"))
    assert {one["account"]: one["repeated_message_ids"] for one in status["accounts"]} == {hers: 3, his: 0}
    assert f"{hers}: 3 Message-IDs are carried by different mails" in (await leadmail(company, "status")).decode()
    assert company.end() == dict.fromkeys(STAGES, 0)
