"""Bounces about someone in Bcc, from the raw mail to what each user sees: only the sender learns of them."""

from __future__ import annotations

import pytest

from schemas.accounts import Account
from schemas.identity import link_id
from schemas.records import RecordRef
from services.store import NotFoundError
from tests.matcher.fixtures import World, mail
from tests.parser.samples import multipart, part

ANN, EVE, KIM, LOU = "ann@firm.example", "eve@firm.example", "kim@client.example", "lou@law.example"


def bounce(*failed: str, head: str = "", to: str = KIM) -> bytes:
    """Return a bounce of the offer to Kim."""
    blocks = "".join(f"\r\nFinal-Recipient: rfc822; {one}\r\nAction: failed\r\nStatus: 5.1.1\r\n" for one in failed)
    body, field = multipart(
        b"report; report-type=delivery-status",
        part(f"These were not reached: {', '.join(failed)}.".encode(), b"Content-Type: text/plain"),
        part(f"Reporting-MTA: dns; mx\r\n{blocks}".encode(), b"Content-Type: message/delivery-status"),
        part(
            f"From: {ANN}\r\nTo: {to}\r\nMessage-ID: <offer@mail>\r\n\r\n".encode(),
            b"Content-Type: text/rfc822-headers",
        ),
    )
    top = f"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: {ANN}\r\nSubject: Undelivered\r\nMessage-ID: <b@mx>\r\n"
    return (head + top).encode() + field + b"\r\nMIME-Version: 1.0\r\n\r\n" + body


async def seen(world: World, viewer: str, record: RecordRef) -> list[str]:
    """Return the subjects of a viewer's lines on a record, those that bounces mark with a star. Page and count must agree."""
    page = await world.store.reading.visible_emails(viewer, record, limit=50)
    assert await world.store.reading.count(viewer, record) == len(page.emails)
    return sorted(line.subject.removeprefix("Subject ") + "*" * bool(line.failures) for line in page.emails)


async def hidden_from(world: World, viewer: str, key: str, offer: str) -> bool:
    """Whether a viewer learns nothing of a bounce: by its id, its raw form, a search, and the thread and page of its mail."""
    for read in (world.store.reading.show, world.store.reading.raw):
        with pytest.raises(NotFoundError):
            await read(viewer, key)
    lines = [one.line.email for one in await world.store.email_search.thread(viewer, offer)]
    shown = await world.store.reading.show(viewer, offer)
    found = await world.store.email_search.search(viewer, "reached")
    return (lines, shown.line.failures, found) == ([offer], (), [])


@pytest.fixture
async def ann(world: World) -> Account:
    """A user who shares her mail; Eve reads."""
    for user in (ANN, EVE):
        await world.store.users.add(user)
    return await world.account(ANN)


@pytest.mark.parametrize("head", ["", "In-Reply-To: <offer@mail>\r\nReferences: <offer@mail>\r\n", f"Cc: {KIM}\r\n"])
@pytest.mark.parametrize("failed", [(LOU,), (KIM, LOU)])
async def test_bounce_about_someone_in_bcc_is_for_the_sender(
    world: World, ann: Account, head: str, failed: tuple[str, ...]
) -> None:
    """It is on the pages of those whom it is about, and there for her alone. To others the mail is as if it had arrived."""
    kim, lou = await world.record(KIM), await world.record(LOU)
    offer = mail("offer", ANN, KIM)
    await world.match(await world.copy(ann, offer, bcc=[LOU]))
    key = (await world.deliver(ann, bounce(*failed, head=head))).content.key
    assert await seen(world, EVE, kim) == ["offer"]
    assert await seen(world, EVE, lou) == []
    assert await hidden_from(world, EVE, key, offer.key)
    assert await seen(world, ANN, lou) == ["Undelivered", "offer*"]
    there = KIM in failed or KIM in head
    assert await seen(world, ANN, kim) == (["Undelivered", "offer*"] if there else ["offer"])
    links = await world.database["links"].find({"email": key}).to_list()
    assert {one["_id"] for one in links} == {
        link_id(one.kind, one.id, key) for one in ((lou, kim) if there else (lou,))
    }
    assert not any(one.get("shared_by") for one in links)
    await world.rest()
    assert await hidden_from(world, EVE, key, offer.key)
    assert await world.snapshot() == world.truth()


async def test_bounce_that_was_stored_in_the_thread_is_hidden_at_once(world: World, ann: Account) -> None:
    """A version before put it on the page of whom its mail concerns, and shared it there: readers ask the rule, not the link."""
    kim = await world.record(KIM)
    offer = mail("offer", ANN, KIM)
    await world.match(await world.copy(ann, offer))
    raw = await world.deliver(ann, bounce(KIM))
    assert await seen(world, EVE, kim) == ["Undelivered", "offer*"]
    await world.database["ledger"].update_one({"_id": raw.source.id}, {"$set": {"bcc": [LOU]}})
    assert await seen(world, EVE, kim) == ["offer"]
    assert await hidden_from(world, EVE, raw.content.key, offer.key)
    assert await seen(world, ANN, kim) == ["Undelivered", "offer*"]


@pytest.mark.parametrize("failed", [(KIM,), ("zed@client.example",)])
async def test_bounce_about_someone_whom_the_mail_names_is_shared(
    world: World, ann: Account, failed: tuple[str, ...]
) -> None:
    """With those who see the mail: on their page, or on that of the thread if no record has their address."""
    kim = await world.record(KIM)
    offer = mail("offer", ANN, KIM, *failed)
    await world.match(await world.copy(ann, offer))
    await world.deliver(ann, bounce(*failed, to=", ".join({KIM, *failed})))
    for viewer in (ANN, EVE):
        assert await seen(world, viewer, kim) == ["Undelivered", "offer*"]
    await world.rest()
    assert await world.snapshot() == world.truth()
