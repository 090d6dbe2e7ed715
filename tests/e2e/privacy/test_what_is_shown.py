"""What a reader is shown of a mail comes from copies that they may see, and a deletion can be undone: with real mailboxes."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.store import NewRecord
from testbed.local import LocalServers
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.mail import leadmail
from tests.e2e.privacy.test_known_message_id import lying, person

pytestmark = pytest.mark.timeout(600)
CLIENT, EVE = "client@customer.example", "eve@crm.example"
SECRET = f"canary{secrets.token_hex(6)}"
"""In what only the private copy says."""


@pytest.fixture
async def company(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment without users."""
    async with deploy(servers, environment, tmp_path) as deployment:
        deployment.environment["LEADMAIL_SWEEP_SECONDS"] = "1"
        yield deployment


def raw(hers: str, his: str, *fields: str, name: str = "") -> bytes:
    """Return a copy of one mail to Ann and Bob."""
    head = [
        f"From: Client <{CLIENT}>",
        f"To: {name} <{hers}>, {his}" if name else f"To: {hers}, {his}",
        "Subject: Offer",
        "Date: Mon, 23 Nov 2026 10:00:00 +0000",
        f"Message-ID: <offer@{CLIENT}>",
        *fields,
    ]
    return ("\r\n".join(head) + "\r\n\r\nDear both\r\n").encode()


async def test_a_shared_copy_shows_nothing_of_a_private_one(company: Deployment) -> None:
    """Ann's private copy has other names, an address to reply to, a thread and a file name. Eve sees Bob's, and only that.

    Then Bob, who holds the only copy of his version, deletes it for everyone, and takes that back.
    """
    ann, bob = replace(person("ann"), sharing="private"), person("bob")
    hers, his = ann.addresses[0], bob.addresses[0]
    await company.store.records.add("contact", NewRecord((CLIENT,)))
    await company.store.users.add(EVE)
    private = [
        raw(hers, his, name=f"Ann {SECRET}"),
        raw(hers, his, f"Reply-To: {SECRET}@home.example"),
        raw(hers, his, f"Sender: {SECRET}@home.example"),
        raw(hers, his, f"References: <{SECRET}@home.example>"),
        raw(hers, his, f"Content-Type: text/plain; name={SECRET}.txt", "Content-Disposition: attachment"),
    ]
    await company.add_user(ann, [lying(ann, one) for one in private])
    await company.add_user(bob, [])
    company.start(*STAGES)
    await company.connect(ann)
    await company.until(company.confirmed, "the private mailbox is imported first")
    await company.connect(bob)
    company.phone(bob).put(raw(hers, his))

    async def page() -> list[dict[str, str]]:
        (found,) = json.loads(await leadmail(company, "emails", CLIENT, "--viewer", EVE, "--json"))
        return list(found["emails"])

    async def shown() -> bool:
        return len(await page()) == 1

    async def hidden() -> bool:
        return not await page()

    await company.until(shown, "the shared copy is on the page")
    (line,) = await page()
    texts = [
        json.dumps(line).encode(),
        await leadmail(company, "email", "show", line["email"], "--viewer", EVE, "--json"),
        await leadmail(company, "email", "show", line["email"], "--viewer", EVE, "--raw"),
        await leadmail(company, "thread", line["email"], "--viewer", EVE, "--json"),
    ]
    assert all(b"Offer" in text for text in texts)
    assert not [text for text in texts if SECRET.encode() in text]
    assert json.loads(await leadmail(company, "search", SECRET, "--viewer", EVE, "--json")) == []
    (own,) = json.loads(await leadmail(company, "emails", CLIENT, "--viewer", hers, "--json"))
    (folded,) = own["emails"]
    versions = {folded["email"], *folded["also"]}
    assert len(versions) == len(private) + 1, "one line for what is one mail to a person"
    for key in versions - {line["email"]}:
        version = await leadmail(company, "email", "show", key, "--viewer", hers, "--json")
        assert SECRET.encode() in version, "Ann sees what her own copies say"

    await leadmail(company, "email", "delete", line["email"], "--by", his, "--yes")
    await company.until(hidden, "it is deleted for everyone")
    assert json.loads(await leadmail(company, "email", "deleted", "--by", EVE, "--json")) == []
    await leadmail(company, "email", "restore", line["email"], "--by", his)
    await company.until(shown, "it is restored")
    assert company.end() == dict.fromkeys(STAGES, 0)
