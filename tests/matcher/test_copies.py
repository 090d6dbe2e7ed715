"""Two copies of one mail that differ: a viewer sees only what comes from copies that grant access."""

from __future__ import annotations

import hashlib

import pytest

from schemas.accounts import Account
from schemas.ledger import RowState
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.parser.content.parse import parse_mail
from services.store import NotFoundError
from tests.matcher.fixtures import NO_GRACE, START, World

KIM, ANN, BOB, EVE = "kim@client.example", "ann@firm.example", "bob@firm.example", "eve@firm.example"
HOME, TOKEN = "ann@home.example", "unsubscribe-7f3a"
SHARED = (
    b"From: Kim <kim@client.example>\r\n"
    b"To: bob@firm.example\r\n"
    b"Subject: Newsletter\r\n"
    b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
    b"Message-ID: <letter@client.example>\r\n"
    b"List-Unsubscribe: <https://list.example/bob>\r\n"
    b"\r\n"
    b"Dear reader\r\n"
)
PRIVATE = {
    "recipient": SHARED.replace(b"To: bob@firm.example", f"To: {HOME}".encode()),
    "carbon copy": SHARED.replace(b"Subject:", f"Cc: {HOME}\r\nSubject:".encode()),
    "token": SHARED.replace(b"list.example/bob", f"list.example/{TOKEN}".encode()),
    "trace": b"X-Resolved-To: " + HOME.encode() + b"\r\nDelivered-To: " + HOME.encode() + b"\r\n" + SHARED,
}


async def company(world: World) -> tuple[Account, Account, RecordRef]:
    """Return Ann's private and Bob's shared mailbox, and the record that the mail is about. Eve has no mailbox."""
    private = await world.account(ANN, Mode.PRIVATE)
    shared = await world.account(BOB)
    for user in (ANN, BOB, EVE):
        await world.store.users.add(user)
    return private, shared, await world.record(KIM)


async def everything(world: World, viewer: str, record: RecordRef) -> str:
    """Return everything that a viewer can read of the mail on a record, as one text."""
    store, texts = world.store, []
    for line in (await store.reading.visible_emails(viewer, record)).emails:
        shown = await store.reading.show(viewer, line.email)
        texts += [line.model_dump_json(), shown.model_dump_json(), str(await store.reading.raw(viewer, line.email))]
    for word in ("letter", HOME, TOKEN):
        texts += [one.line.model_dump_json() for one in await store.email_search.search(viewer, word, limit=9)]
    return "\n".join(texts)


@pytest.mark.parametrize("first", ["private", "shared"])
@pytest.mark.parametrize("how", PRIVATE)
async def test_a_viewer_of_the_shared_copy_learns_nothing_of_the_private_one(
    world: World, how: str, first: str
) -> None:
    """No page, JSON, search or raw download has the private copy's address or token, whichever copy came first."""
    private, shared, record = await company(world)
    order = [(private, PRIVATE[how]), (shared, SHARED)]
    for account, raw in order if first == "private" else order[::-1]:
        await world.deliver(account, raw)
    for viewer in (BOB, EVE):
        text = await everything(world, viewer, record)
        assert "Dear reader" in text
        assert HOME not in text
        assert TOKEN not in text
    assert "list.example" not in await everything(world, EVE, record)
    (mine,) = [line for line in (await world.store.reading.visible_emails(ANN, record)).emails if line.copies[0].own]
    assert await world.store.reading.raw(ANN, mine.email) == PRIVATE[how], (
        "each owner has their own copy, byte for byte"
    )


async def test_copies_that_differ_in_recipients_are_two_emails(world: World) -> None:
    """The viewer sees only the shared one; the private one does not exist for them."""
    private, shared, record = await company(world)
    hidden = (await world.deliver(private, PRIVATE["recipient"])).content.key
    seen = (await world.deliver(shared, SHARED)).content.key
    assert hidden != seen
    assert [line.email for line in (await world.store.reading.visible_emails(EVE, record)).emails] == [seen]
    with pytest.raises(NotFoundError):
        await world.store.reading.raw(EVE, hidden)


async def test_the_raw_form_is_that_of_a_copy_that_grants_now(world: World) -> None:
    """When the shared copy is gone, so is its raw form; when both are shared, a viewer still sees no trace of either."""
    private, shared, record = await company(world)
    await world.deliver(private, PRIVATE["trace"])
    copy = await world.deliver(shared, SHARED)
    await world.store.removal.purge(shared.id, by=ANN)
    with pytest.raises(NotFoundError):
        await world.store.reading.raw(EVE, copy.content.key)
    assert await world.store.reading.raw(ANN, copy.content.key) == PRIVATE["trace"]
    await world.store.blob_sweep.run(grace=NO_GRACE)
    names = [file["_id"] async for file in world.database["blobs.files"].find()]
    assert copy.head not in names, "a purged copy's header block goes"
    assert copy.content.raw in names, "the body is the other copy's, too"
    assert record


async def test_a_body_is_stored_once_and_a_header_block_for_each_copy(world: World) -> None:
    """Copies of one email share the body, and each has its own header block."""
    private, shared, _ = await company(world)
    one, other = await world.deliver(private, PRIVATE["trace"]), await world.deliver(shared, SHARED)
    assert one.content.key == other.content.key
    rows = [await world.store.ledger.get(copy.source.id) for copy in (one, other)]
    assert all(row is not None and row.state is RowState.ATTACHED for row in rows)
    heads = [
        hashlib.sha256(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n").hexdigest() for raw in (PRIVATE["trace"], SHARED)
    ]
    assert [row.head for row in rows if row] == heads
    assert {row.body for row in rows if row} == {hashlib.sha256(b"Dear reader\r\n").hexdigest()}


async def test_a_mail_that_was_deleted_under_its_former_key_stays_deleted(world: World) -> None:
    """After an upgrade that changes how keys are derived, neither a resync nor a moved copy brings the mail back."""
    _, shared, record = await company(world)
    former = parse_mail(SHARED, account=shared.id, internal_date=START).former_key
    assert former.startswith("v1-")
    await world.database["tombstones"].insert_one({"_id": former, "by": ANN, "at": START})
    copy = await world.deliver(shared, SHARED)
    row = await world.store.ledger.get(copy.source.id)
    assert row is not None
    assert (row.state, row.reason) == (RowState.SKIPPED, "deleted-in-crm")
    assert (await world.store.reading.visible_emails(EVE, record)).emails == []
