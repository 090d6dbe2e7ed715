"""Two copies of one mail that differ: a viewer sees only what comes from copies that grant access."""

from __future__ import annotations

import hashlib

import pytest

from schemas.accounts import Account
from schemas.identity import thread_id
from schemas.ledger import RowState
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.parser.content.parse import ParsedMail, parse_mail
from services.store import NotFoundError, email_ref
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
    "recipient's name": SHARED.replace(b"To: bob@firm.example", f"To: {TOKEN} <bob@firm.example>".encode()),
    "sender's name": SHARED.replace(b"From: Kim", f"From: {TOKEN}".encode()),
    "address to reply to": f"Reply-To: {HOME}\r\n".encode() + SHARED,
    "technical sender": f"Sender: {HOME}\r\n".encode() + SHARED,
    "what it answers": f"In-Reply-To: <{TOKEN}@home.example>\r\n".encode() + SHARED,
    "what it refers to": f"References: <a@b.example> <{TOKEN}@home.example>\r\n".encode() + SHARED,
    "kind of file": f"Content-Type: application/{TOKEN}\r\n".encode() + SHARED,
    "file name": f'Content-Disposition: attachment; filename="{TOKEN}"\r\n'.encode() + SHARED,
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


LOU = "lou@law.example"


async def test_what_is_wrong_with_a_copy_is_shown_to_its_owner_alone(world: World) -> None:
    """Each copy's own, whichever was stored first; nothing to those who have no copy."""
    private, shared, record = await company(world)
    damaged = SHARED.replace(b"Subject:", b"No field\r\nSubject:")
    encoded = SHARED.replace(b"Subject:", b"Content-Transfer-Encoding: x-strange\r\nSubject:")
    keys = [(await world.deliver(to, raw)).content.key for to, raw in ((private, damaged), (shared, encoded))]
    assert keys[0] == keys[1]
    expected = {ANN: [("header-line",)], BOB: [("encoding:x-strange",)], EVE: [()]}
    for viewer, defects in expected.items():
        shown = await world.store.reading.show(viewer, keys[0])
        assert [copy.defects for copy in shown.line.copies if copy.own or viewer == EVE] == defects
        assert not any(copy.defects for copy in shown.line.copies if not copy.own)
        assert shown.content.marks.defects == shown.line.marks.defects == ()
    assert "strange" not in await everything(world, ANN, record)
    assert "header-line" not in await everything(world, BOB, record) + await everything(world, EVE, record)


@pytest.mark.parametrize("field", ["Reply-To", "Sender"])
@pytest.mark.parametrize("first", ["private", "shared"])
async def test_a_copy_puts_the_mail_only_on_the_pages_that_it_names_itself(
    world: World, field: str, first: str
) -> None:
    """The private copy names a lawyer. The mail is on the lawyer's page for its owner, and for nobody else."""
    private, shared, record = await company(world)
    lawyer = await world.record(LOU)
    order = [(private, f"{field}: {LOU}\r\n".encode() + SHARED), (shared, SHARED)]
    for account, raw in order if first == "private" else order[::-1]:
        await world.deliver(account, raw)
    for viewer in (BOB, EVE):
        assert (await world.store.reading.visible_emails(viewer, lawyer)).emails == []
        assert len((await world.store.reading.visible_emails(viewer, record)).emails) == 1
    assert len((await world.store.reading.visible_emails(ANN, lawyer)).emails) == 1


@pytest.mark.parametrize("name", ["References", "In-Reply-To"])
async def test_a_copy_does_not_move_the_mail_of_others_into_a_thread(world: World, name: str) -> None:
    """Eve downloads a shared mail and puts it into her mailbox as an answer to another: Bob's mail stays where it is."""
    _, shared, record = await company(world)
    thread = (await world.deliver(shared, SHARED)).content.thread
    mallory = await world.account(EVE)
    await world.deliver(mallory, f"{name}: <private@firm.example>\r\n".encode() + SHARED)
    seen = {
        line.thread for line in (await world.store.reading.visible_emails(BOB, record)).emails if BOB in line.holders
    }
    assert seen == {thread}


FOOTER = SHARED + b"-- \r\nA list's footer\r\n"


async def test_versions_of_one_mail_are_one_line_for_those_who_see_each(world: World) -> None:
    """A list added a footer to Bob's copy of Ann's mail. Who sees both gets one line, their own version first; Eve gets Bob's."""
    private, shared, record = await company(world)
    hers = (await world.deliver(private, SHARED)).content.key
    his = (await world.deliver(shared, FOOTER)).content.key
    (line,) = (await world.store.reading.visible_emails(ANN, record)).emails
    assert (line.email, line.also) == (hers, (his,))
    assert set(line.holders) == {ANN, BOB}
    (line,) = (await world.store.reading.visible_emails(EVE, record)).emails
    assert (line.email, line.also, line.holders) == (his, (), (BOB,))
    assert await world.store.reading.count(ANN, record) == 2


async def test_other_mail_under_one_message_id_is_not_folded(world: World) -> None:
    """Another sender or another date makes another line."""
    _, shared, record = await company(world)
    for raw in (SHARED, FOOTER.replace(b"10:00:00", b"10:00:01"), FOOTER.replace(b"<kim@client", b"<kim@other")):
        await world.deliver(shared, raw)
    await world.record("kim@other.example")
    found = (await world.store.reading.visible_emails(EVE, record)).emails
    assert [line.also for line in found] == [(), ()]


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


@pytest.mark.parametrize("thread", [False, True])
async def test_what_was_kept_private_under_its_former_key_stays_private(world: World, thread: bool) -> None:
    """A mail of version 0.1 gets a new key when it is parsed again: what its holder keeps private is not shared by that."""
    _, shared, record = await company(world)
    raw = SHARED.replace(b"Message-ID: <letter@client.example>\r\n", b"") if thread else SHARED
    parsed = parse_mail(raw, account=shared.id, internal_date=START)
    former = await old_email(world, shared, parsed)
    assert [line.email for line in (await world.store.reading.visible_emails(EVE, record)).emails] == [former]
    await world.store.withdrawing.keep_private(former, by=BOB, thread=thread)
    copy = await world.deliver(shared, raw)
    assert copy.content.key != former
    assert (await world.store.reading.visible_emails(EVE, record)).emails == []
    mine = (await world.store.reading.visible_emails(BOB, record)).emails
    assert {key for line in mine for key in (line.email, *line.also)} == {former, copy.content.key}


async def old_email(world: World, account: Account, parsed: ParsedMail) -> str:
    """Store a copy under the key that version 0.1 gave its email. Returns the key."""
    key = parsed.former_key
    content = parsed.content.model_copy(update={"key": key})
    if content.message_id is None:
        content = content.model_copy(
            update={"thread": thread_id(message_id=None, in_reply_to=None, references=(), key=key)}
        )
    await put(world, key)
    await world.match(await world.copy(account, content))
    return key


async def put(world: World, key: str) -> None:
    """Store the parts of the shared copy as the parser does."""
    head, _, body = SHARED.partition(b"\r\n\r\n")
    await world.store.blobs.put_many([(part, email_ref(key)) for part in (head + b"\r\n\r\n", body)])


async def test_a_copy_that_is_fetched_again_leaves_its_former_key(world: World) -> None:
    """The new email has the links, and the old one goes when its last copy has moved. The other copy's answers follow."""
    private, shared, record = await company(world)
    parsed = parse_mail(SHARED, account=shared.id, internal_date=START)
    former = await old_email(world, shared, parsed)
    (row,) = [copy for copy in world.copies.values() if copy.source.account == shared.id]
    await world.match(await world.copy(private, row.content))
    assert await world.store.matcher_ledger.replan_former(shared.id) == 1
    fetched = {"id": f"{row.source.id}/2/parsed", "content": parsed.content, "former_key": former, "head": parsed.head}
    again = row.model_copy(update=fetched)
    await put(world, parsed.content.key)
    await world.match(again)
    assert [line.email for line in (await world.store.reading.visible_emails(EVE, record)).emails] == [
        parsed.content.key
    ]
    mine = (await world.store.reading.visible_emails(ANN, record)).emails
    assert {key for line in mine for key in (line.email, *line.also)} == {former, parsed.content.key}
    (other,) = [one for one in world.copies.values() if one.source.account == private.id]
    assert await world.store.matcher_ledger.replan_former(private.id) == 0, "no other mailbox has that email any more"
    assert await world.store.emails.existing([former]) == {former}
    await world.go(other.source.id)
    await world.announce_gone(other.source.id)
    await world.rest()
    assert await world.store.emails.existing([former]) == frozenset()
