"""Message-IDs that different mails of one mailbox carry are noted and counted."""

from __future__ import annotations

from typing import Any

from schemas.ledger import Row, RowState
from services.store import Store
from tests.factories import SENT, row
from tests.store.fixtures import World, key

KIM, EVE, ME = b"kim", b"eve", b"me"
ID, OTHER = b"id", b"other"


def mail(of: str, uid: int, *people: bytes, name: bytes = ID, **fields: Any) -> Row:
    """Return the row of a mail under a Message-ID that names people."""
    values = {"header": b"h%d" % uid, "size": uid, "mark_key": "only", **fields}
    return row(of, uid, RowState.UNMATCHED, marks=(*people, name), id_mark=name, **values)


async def put(world: World, *rows: Row) -> int:
    """Write rows as the poller does. Returns how many were marked newly."""
    lease = world.leases[rows[0].account]
    await world.store.poller_ledger.add_window(lease, rows)
    return await world.store.message_ids.note(lease, [one.id_mark for one in rows if one.id_mark])


async def test_a_second_mail_under_a_message_id_is_seen(world: World, store: Store) -> None:
    """Both are marked whichever came first, a third joins them, and the count is of Message-IDs, by account."""
    mine, other = [await world.account(name) for name in ("a@corp.com", "b@corp.com")]
    assert await put(world, mail(mine.id, 1, KIM), mail(mine.id, 2, KIM, name=OTHER)) == 0
    assert await put(world, mail(other.id, 1, EVE)) == 0, "another mailbox"
    assert await store.message_ids.counts() == {}
    assert await put(world, mail(mine.id, 3, EVE, KIM)) == 2
    assert await put(world, mail(mine.id, 4, EVE)) == 1
    assert await put(world, mail(mine.id, 4, EVE)) == 0, "again"
    assert await store.message_ids.counts() == {mine.id: 1}
    assert await store.message_ids.counts([other.id]) == {}
    assert {one.account.id: one.repeated_ids for one in await store.status.accounts()} == {mine.id: 1, other.id: 0}


async def test_copies_of_one_mail_are_no_other_mail(world: World, store: Store) -> None:
    """A moved copy has the same headers, one that comes back to its sender names the same people, one of an email is the email's."""
    mine = await world.account("a@corp.com")
    moved = mail(mine.id, 1, KIM, folder=SENT, header=b"h1", size=1)
    assert await put(world, mail(mine.id, 1, KIM, ME), moved) == 0, "an alias that was confirmed in between"
    assert await put(world, mail(mine.id, 2, KIM)) == 0
    known = [mail(mine.id, uid, *people, name=OTHER, email=key("m")) for uid, people in ((5, [KIM]), (6, [KIM, ME]))]
    assert await put(world, *known) == 0
    assert await put(world, *(row(mine.id, uid, RowState.UNMATCHED) for uid in (8, 9))) == 0, "without a Message-ID"
    assert await store.message_ids.counts() == {}


async def test_a_mail_that_is_gone_does_not_count(world: World, store: Store) -> None:
    """The owner deletes the forged mail: the Message-ID is one mail's again."""
    mine = await world.account("a@corp.com")
    forged = mail(mine.id, 2, EVE)
    assert await put(world, mail(mine.id, 1, KIM), forged) == 2
    await store.poller_ledger.gone(world.leases[mine.id], [forged.id])
    assert await store.message_ids.counts() == {}


async def test_what_a_dead_poller_did_not_note_is_found(world: World, store: Store) -> None:
    """The comparison with the mailbox looks at every Message-ID that several rows carry."""
    mine = await world.account("a@corp.com")
    rows = [
        mail(mine.id, uid, person, name=name) for uid, (person, name) in enumerate([(KIM, ID), (EVE, ID), (KIM, OTHER)])
    ]
    await store.poller_ledger.add_window(world.leases[mine.id], rows)
    assert await store.message_ids.repeated(mine.id) == [ID]
    assert await store.message_ids.note(world.leases[mine.id], await store.message_ids.repeated(mine.id)) == 2
