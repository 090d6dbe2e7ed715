"""The ledger: one row per copy, in exactly one state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.accounts import Account
from schemas.identity import address_hash, copy_id, message_id_hash
from schemas.ledger import DRAFT_FLAG, Folder, RowState
from services.store import FolderPatch, KnownUid, LinkAddition, RowOutcome, Store, Twin, TwinQuery
from tests.factories import INBOX, account, row
from tests.store.fixtures import World, content, key


@pytest.fixture
async def mine(world: World) -> Account:
    """An account with one folder."""
    new = await world.account("a@corp.com")
    folder = Folder(account=new.id, id=INBOX, raw_name=b"INBOX", name="Inbox", role="inbox", selected=True, cursor=10)
    await world.store.folders.save(world.leases[new.id], [folder])
    return new


async def test_a_window_is_rows_and_cursor_together(world: World, store: Store, mine: Account) -> None:
    """Rows read back as written, and the folder's cursor has moved."""
    rows = [
        row(mine.id, 1, marks=(b"m" * 16,), header=b"h" * 16, flags=("\\Seen", "$Work"), labels=("\\Important",)),
        row(mine.id, 2, RowState.SKIPPED, reason="too-large", epoch=None),
    ]
    present = await store.poller_ledger.add_window(
        world.leases[mine.id], rows, folder=FolderPatch(INBOX, cursor=1, live_next=9)
    )
    assert present == frozenset()
    assert [found async for found in store.ledger_counts.rows(mine.id)] == rows
    (folder,) = await store.folders.of(mine.id)
    assert (folder.cursor, folder.live_next, folder.raw_name) == (1, 9, b"INBOX")


async def test_existing_rows_do_not_change(world: World, store: Store, mine: Account) -> None:
    """A window that overlaps an earlier one adds missing rows, moves the cursor, and returns existing rows."""
    lease = world.leases[mine.id]
    await store.poller_ledger.add_window(lease, [row(mine.id, 2, RowState.UNMATCHED)])
    present = await store.poller_ledger.add_window(
        lease, [row(mine.id, uid) for uid in (1, 2, 3)], folder=FolderPatch(INBOX, cursor=1)
    )
    assert present == {row(mine.id, 2).id}
    assert await world.states(mine.id) == {"planned": 2, "unmatched": 1}
    assert (await store.folders.of(mine.id))[0].cursor == 1


async def test_a_gone_copy_that_is_back_starts_again_when_its_links_are_done(
    world: World, store: Store, mine: Account
) -> None:
    """It stays gone until the links of its email are updated. Then it is planned as a further attempt, with a new event."""
    lease, back = world.leases[mine.id], row(mine.id, 1)
    await store.poller_ledger.add_window(lease, [back])
    await store.poller_ledger.published(lease, [back.id])
    await store.matcher_ledger.finish([RowOutcome(back.id, RowState.ATTACHED, email=key("x"))])
    await store.poller_ledger.gone(lease, [back.id])
    assert await store.poller_ledger.add_window(lease, [back, row(mine.id, 2)]) == {back.id}
    assert await world.states(mine.id) == {"gone": 1, "planned": 1}
    await store.ledger.relink_done([back.id])
    assert await store.poller_ledger.add_window(lease, [back, row(mine.id, 2)]) == {row(mine.id, 2).id}
    planned = await store.ledger.get(back.id)
    assert planned is not None
    assert (planned.state, planned.attempts) == (RowState.PLANNED, 1)


async def test_a_draft_that_was_sent_starts_again_and_is_relinked(world: World, store: Store, mine: Account) -> None:
    """A mail that became a draft after it was attached is planned again, and the links of its email are pending."""
    lease, sent = world.leases[mine.id], row(mine.id, 1)
    await store.poller_ledger.add_window(lease, [sent])
    await store.poller_ledger.published(lease, [sent.id])
    await store.matcher_ledger.finish([RowOutcome(sent.id, RowState.ATTACHED, email=key("x"))])
    assert await store.poller_ledger.set_flags(lease, {sent.id: (DRAFT_FLAG,)}) == [key("x")]
    assert await world.states(mine.id) == {"skipped": 1}
    assert await store.poller_ledger.add_window(lease, [sent, row(mine.id, 2)]) == frozenset()
    assert await world.states(mine.id) == {"planned": 2}
    assert [one.attempts async for one in store.ledger_counts.rows(mine.id)] == [1, 0]
    assert await store.ledger.to_relink() == {key("x"): [sent.id]}
    twin = content("y", "lead@x.com", "a@corp.com")
    await store.emails.save_many([twin])
    await store.poller_ledger.set_flags(lease, {sent.id: (DRAFT_FLAG,)})
    await store.poller_ledger.add_window(lease, [row(mine.id, 1, RowState.ATTACHED, email=twin.key)])
    assert await store.ledger.to_relink() == {twin.key: [sent.id]}


async def test_publishing_never_undoes_a_final_state(world: World, store: Store, mine: Account) -> None:
    """A matcher may finish a row before the poller marks it as published."""
    lease, ids = world.leases[mine.id], [row(mine.id, uid).id for uid in (1, 2)]
    await store.poller_ledger.add_window(lease, [row(mine.id, uid) for uid in (1, 2)])
    await store.matcher_ledger.finish([RowOutcome(ids[0], RowState.ATTACHED, email=key("x"))])
    await store.poller_ledger.published(lease, ids)
    assert await world.states(mine.id) == {"attached": 1, "published": 1}
    second = await store.ledger.get(ids[1])
    assert second is not None
    assert second.attempts == 1


async def test_final_states_are_stored_and_a_gone_row_stays_gone(world: World, store: Store, mine: Account) -> None:
    """The matcher's last write sets email, Bcc and reason, and returns rows that are gone."""
    lease = world.leases[mine.id]
    rows = [row(mine.id, uid) for uid in range(1, 7)]
    await store.poller_ledger.add_window(lease, rows)
    ids = [one.id for one in rows]
    await store.poller_ledger.gone(lease, [ids[5]])
    removed = copy_id(mine.id, INBOX, 1, 99)
    finished = await store.matcher_ledger.finish(
        [
            RowOutcome(ids[0], RowState.ATTACHED, email=key("x"), bcc=("b@x.com",)),
            RowOutcome(ids[1], RowState.ATTACHED, email=key("y")),
            RowOutcome(ids[2], RowState.UNMATCHED),
            RowOutcome(ids[3], RowState.UNMATCHED),
            RowOutcome(ids[4], RowState.SKIPPED, "deleted-in-crm"),
            RowOutcome(ids[5], RowState.ATTACHED, email=key("x")),
            RowOutcome(removed, RowState.ATTACHED, email=key("x")),
        ]
    )
    assert finished == (sorted([ids[5], removed]), {})
    found = [one async for one in store.ledger_counts.rows(mine.id)]
    assert [(one.state.value, one.reason, one.email, one.bcc) for one in found] == [
        ("attached", None, key("x"), ("b@x.com",)),
        ("attached", None, key("y"), ()),
        ("unmatched", None, None, ()),
        ("unmatched", None, None, ()),
        ("skipped", "deleted-in-crm", None, ()),
        ("gone", None, None, ()),
    ]
    again = RowOutcome(ids[0], RowState.ATTACHED, email=key("x"), defects=("x",), before=RowState.ATTACHED)
    twice = [RowOutcome(ids[0], RowState.UNMATCHED), again]
    assert await store.matcher_ledger.finish([*twice, RowOutcome(ids[5], RowState.UNMATCHED)]) == ([ids[5]], {})
    after = await store.ledger.get(ids[0])
    assert after is not None
    assert (after.bcc, after.defects) == ((), ("x",))


async def test_an_outcome_replaces_only_the_state_that_its_caller_knows(
    world: World, store: Store, mine: Account
) -> None:
    """Another process may have handled the message, or a contact came since and a later message decides."""
    rows = [row(mine.id, uid, marks=(bytes([uid]),)) for uid in range(1, 4)]
    ids, lease = [one.id for one in rows], world.leases[mine.id]
    await store.poller_ledger.add_window(lease, rows)
    await store.poller_ledger.published(lease, ids)
    attached, unmatched = RowState.ATTACHED, RowState.UNMATCHED
    others = [RowOutcome(ids[0], attached, email=key("x")), *(RowOutcome(one, unmatched) for one in ids[1:])]
    assert await store.matcher_ledger.finish(others) == ([], {})
    await store.matcher_ledger.replan_by_hashes([bytes([3])])
    late = [
        RowOutcome(ids[0], unmatched, publication=1),
        RowOutcome(ids[1], attached, email=key("y"), publication=1),
        RowOutcome(ids[2], unmatched, publication=1),
    ]
    assert await store.matcher_ledger.finish(late) == ([ids[2]], {ids[0]: attached, ids[1]: unmatched})
    assert not await store.matcher_ledger.quarantine(ids[2], "parser-died", 1)
    assert await world.states(mine.id) == {"attached": 1, "unmatched": 1, "planned": 1}
    known = [late[0]._replace(before=attached), late[1]._replace(before=unmatched), late[2]._replace(publication=3)]
    assert await store.matcher_ledger.finish(known) == ([], {})


async def test_marks_bring_unmatched_rows_back_and_no_others(world: World, store: Store, mine: Account) -> None:
    """A late contact's mail is planned again, outside of any backfill, as a new attempt."""
    lease = world.leases[mine.id]
    late, other = address_hash(b"k" * 32, "late@x.com"), message_id_hash(b"k" * 32, "id@x")
    rows = [
        row(mine.id, 1, RowState.UNMATCHED, marks=(other, late)),
        row(mine.id, 2, RowState.UNMATCHED, marks=(other,)),
        row(mine.id, 3, RowState.SKIPPED, marks=(late,), reason="too-large"),
        row(mine.id, 4, RowState.PUBLISHED, marks=(late,)),
    ]
    await store.poller_ledger.add_window(lease, rows)
    assert await store.ledger.waiting([mine.id]) == {}
    assert await store.matcher_ledger.replan_by_hashes(store.record_addresses.hashes(["late@x.com"])) == 1
    assert await store.ledger.waiting([mine.id, "f" * 24]) == {mine.id: 1}
    (planned,) = await store.ledger.planned(mine.id)
    assert (planned.uid, planned.epoch, planned.attempts) == (1, None, 1)
    assert await store.matcher_ledger.replan_by_hashes([]) == 0


async def test_a_thread_brings_back_rows_in_the_mailboxes_of_those_who_opened_it(
    world: World, store: Store, mine: Account
) -> None:
    """Only where the owner sent a linked email that the row names; with owners, only theirs; in all their mailboxes."""
    mark = message_id_hash(b"k" * 32, "id@mail")
    second, other = await world.account("second@corp.com", owner=mine.owner), await world.account("other@corp.com")
    for one in (mine, second, other):
        await store.poller_ledger.add_window(world.leases[one.id], [row(one.id, 1, RowState.UNMATCHED, marks=(mark,))])
    mail, record = content("id", mine.owner, "lead@x.com"), await world.record("lead@x.com")
    assert await store.matcher_ledger.replan_threads([mark]) == 0
    await store.emails.save_many([mail])
    received = LinkAddition(mail.key, record, mail.sent_at, mail.thread, (), other.owner)
    await store.links.save_many([received])
    assert await store.matcher_ledger.replan_threads([mark]) == 0, "received mail opens nothing"
    await store.links.save_many([received._replace(owner=mine.owner, sent=True)])
    assert await store.matcher_ledger.replan_threads([mark], owners=[other.owner]) == 0
    assert await store.matcher_ledger.replan_threads([mark], but=[copy_id(mine.id, INBOX, 1, 1)]) == 1
    assert await store.matcher_ledger.replan_threads([mark], owners=[mine.owner]) == 1
    assert await store.ledger.waiting([mine.id, second.id, other.id]) == {mine.id: 1, second.id: 1}


async def test_rows_of_a_disconnected_account_are_not_planned(world: World, store: Store, mine: Account) -> None:
    """Rows of disconnected accounts stay, because no poller could fetch them."""
    mark = address_hash(b"k" * 32, "late@x.com")
    await store.poller_ledger.add_window(world.leases[mine.id], [row(mine.id, 1, RowState.UNMATCHED, marks=(mark,))])
    await store.removal.disconnect(mine.id, by="operator")
    assert await store.matcher_ledger.replan_by_hashes([mark]) == 0
    assert await world.states(mine.id) == {"unmatched": 1}


async def test_planned_rows_come_newest_first(world: World, store: Store, mine: Account) -> None:
    """Waiting rows are returned by folder, highest uid first, up to the limit."""
    await store.poller_ledger.add_window(world.leases[mine.id], [row(mine.id, uid) for uid in (1, 2, 3, 10)])
    assert [one.uid for one in await store.ledger.planned(mine.id, limit=3)] == [10, 3, 2]


async def test_the_reaper_plans_what_stays_published(world: World, store: Store, mine: Account) -> None:
    """Rows published too long ago are planned again within their backfill. Recent ones stay."""
    lease = world.leases[mine.id]
    await store.poller_ledger.add_window(lease, [row(mine.id, uid) for uid in (1, 2)])
    await world.database["ledger"].update_many(
        {}, {"$set": {"updated_at": row(mine.id, 1).updated_at - timedelta(days=1)}}
    )
    await store.poller_ledger.published(lease, [row(mine.id, 1).id, row(mine.id, 2).id])
    assert await store.poller_ledger.replan_stale(lease, older_than=timedelta(minutes=5)) == 0
    old = (await store.ledger.planned(mine.id)) == [] and row(mine.id, 1).id
    long_ago = row(mine.id, 1).updated_at - timedelta(hours=1)
    await world.database["ledger"].update_one({"_id": old}, {"$set": {"updated_at": long_ago}})
    assert await store.poller_ledger.replan_stale(lease, older_than=timedelta(minutes=5)) == 1
    (planned,) = await store.ledger.planned(mine.id)
    assert (planned.uid, planned.epoch, planned.attempts) == (1, 1, 1)


async def test_a_result_ends_every_doubt(world: World, store: Store, mine: Account) -> None:
    """A row whose mail came at last keeps no doubt, even if its result overtakes the note that it was published."""
    lease, ids = world.leases[mine.id], [row(mine.id, uid).id for uid in (1, 2)]
    await store.poller_ledger.add_window(lease, [row(mine.id, uid) for uid in (1, 2)])
    await store.ledger_doubts.note(lease, ids, "withheld", apart=timedelta(minutes=10), times=2)
    assert {one.doubt async for one in store.ledger_counts.rows(mine.id)} == {"withheld"}
    await store.matcher_ledger.finish(
        [RowOutcome(ids[0], RowState.ATTACHED, email=key("m")), RowOutcome(ids[1], RowState.UNMATCHED)]
    )
    await store.poller_ledger.published(lease, ids)
    found = [one async for one in store.ledger_counts.rows(mine.id)]
    assert {(one.doubt, one.doubts, one.withheld_at, one.retry_at) for one in found} == {(None, 0, None, None)}


async def test_a_row_ends_without_publishing(world: World, store: Store, mine: Account) -> None:
    """Unfinished rows end with a reason. Finished rows stay."""
    lease = world.leases[mine.id]
    await store.poller_ledger.add_window(lease, [row(mine.id, 1), row(mine.id, 2, RowState.UNMATCHED)])
    await store.poller_ledger.finish(lease, [row(mine.id, 1).id, row(mine.id, 2).id], RowState.SKIPPED, "deleted")
    assert [(one.state.value, one.reason) async for one in store.ledger_counts.rows(mine.id)] == [
        ("skipped", "deleted"),
        ("unmatched", None),
    ]


async def test_quarantine_ends_unfinished_rows_only(world: World, store: Store, mine: Account) -> None:
    """A dead letter quarantines its row once, and never what another attempt finished."""
    await store.poller_ledger.add_window(world.leases[mine.id], [row(mine.id, 1), row(mine.id, 2, RowState.UNMATCHED)])
    assert await store.matcher_ledger.quarantine(row(mine.id, 1).id, "parser-died")
    assert not await store.matcher_ledger.quarantine(row(mine.id, 1).id, "parser-died")
    assert not await store.matcher_ledger.quarantine(row(mine.id, 2).id, "parser-died")
    assert await world.states(mine.id) == {"quarantined": 1, "unmatched": 1}
    assert await store.matcher_ledger.replan_rows([row(mine.id, 1).id]) == 1
    (planned,) = await store.ledger.planned(mine.id)
    assert (planned.reason, planned.attempts) == (None, 1)


async def test_flags_and_uids(world: World, store: Store, mine: Account) -> None:
    """Flags are stored with the folder's modseq. A range of uids has states and flags, without gone rows."""
    lease = world.leases[mine.id]
    await store.poller_ledger.add_window(lease, [row(mine.id, uid) for uid in (1, 2, 3, 4)])
    await store.poller_ledger.gone(lease, [row(mine.id, 3).id])
    flags = {row(mine.id, 2).id: ["\\Seen"], row(mine.id, 3).id: ["\\Seen"]}
    await store.poller_ledger.set_flags(lease, flags, folder=FolderPatch(INBOX, highestmodseq=77))
    planned = RowState.PLANNED
    expected = [KnownUid(2, planned, ("\\Seen",)), KnownUid(4, planned, ())]
    assert await store.ledger.uids(mine.id, INBOX, 1, 2, 4) == expected
    assert (await store.folders.of(mine.id))[0].highestmodseq == 77
    gone = await store.ledger.get(row(mine.id, 3).id)
    assert gone is not None
    assert gone.flags == ()


async def test_gone_copies_name_the_emails_that_changed(world: World, store: Store, mine: Account) -> None:
    """An expunge returns the emails once. The row is marked for the sweeper until the links are updated."""
    lease = world.leases[mine.id]
    await store.poller_ledger.add_window(lease, [row(mine.id, 1), row(mine.id, 2, RowState.UNMATCHED)])
    await store.matcher_ledger.finish([RowOutcome(row(mine.id, 1).id, RowState.ATTACHED, email=key("x"))])
    ids = [row(mine.id, 1).id, row(mine.id, 2).id]
    assert await store.poller_ledger.gone(lease, ids) == [key("x")]
    assert await store.poller_ledger.gone(lease, ids) == []
    assert await world.states(mine.id) == {"gone": 2}
    assert await store.ledger.to_relink() == {key("x"): [ids[0]]}
    await store.ledger.relink_done([ids[0]])
    assert await store.ledger.to_relink() == {}
    kept = await store.ledger.get(ids[0])
    assert kept is not None
    assert kept.email == key("x")


async def test_a_recreated_folder_ends_all_rows_of_the_old_one(world: World, store: Store, mine: Account) -> None:
    """A new uidvalidity ends every row of the old one and keeps the new ones."""
    lease = world.leases[mine.id]
    await store.poller_ledger.add_window(
        lease, [row(mine.id, uid) for uid in (1, 2)] + [row(mine.id, 1, uidvalidity=2)]
    )
    await store.poller_ledger.add_window(lease, [row(mine.id, 5, folder="a" * 12)])
    assert await store.ledger.uidvalidities(mine.id, INBOX) == [1, 2]
    assert await store.poller_ledger.gone_folder(lease, INBOX, 1) == []
    assert [one.state.value async for one in store.ledger_counts.rows(mine.id)].count("gone") == 2
    assert [one.uid for one in await store.ledger.uids(mine.id, INBOX, 2)] == [1]


async def test_a_moved_mail_is_attached_without_its_body(world: World, store: Store, mine: Account) -> None:
    """Same headers and size in the same account: the new row takes over email, Bcc and raw form of the attached one."""
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    copy = row(mine.id, 1, header=b"h" * 16, size=5)
    await store.poller_ledger.add_window(world.leases[mine.id], [copy])
    await store.emails.save_many([mail])
    await store.links.save_many(await world.additions(mine, mail))
    outcome = RowOutcome(
        copy.id,
        RowState.ATTACHED,
        email=mail.key,
        bcc=("s@x.com",),
        defects=("html",),
        head="1" * 64,
        body="2" * 64,
    )
    await store.matcher_ledger.finish([outcome])
    same, other = TwinQuery("m@mail", b"h" * 16, 5), TwinQuery("m@mail", b"h" * 16, 6)
    assert await store.ledger.twins(mine.id, [same, other]) == {
        same: Twin(mail.key, ("s@x.com",), "1" * 64, "2" * 64, ("html",))
    }
    assert await store.ledger.twins("f" * 24, [same]) == {}
    moved = row(mine.id, 7, RowState.ATTACHED, folder="a" * 12, email=mail.key)
    await store.poller_ledger.add_window(world.leases[mine.id], [moved])
    assert len((await store.ledger.live_copies([mail.key]))[mail.key]) == 2
    assert record in {link.record for link in (await store.links.of_emails([mail.key]))[mail.key]}


async def test_a_twin_of_a_removed_email_is_fetched_again(world: World, store: Store, mine: Account) -> None:
    """If the email was deleted between look-up and insert, the row is planned instead."""
    twin = row(mine.id, 7, RowState.ATTACHED, email=key("lost"))
    await store.poller_ledger.add_window(world.leases[mine.id], [twin])
    (planned,) = await store.ledger.planned(mine.id)
    assert (planned.id, planned.email) == (twin.id, None)


async def test_the_oldest_unfinished_row_is_found(world: World, store: Store, mine: Account) -> None:
    """The oldest unfinished row is reported by account."""
    early = row(mine.id, 1).noticed_at - timedelta(hours=2)
    rows = [row(mine.id, 1, noticed_at=early), row(mine.id, 2), row(mine.id, 3, RowState.UNMATCHED, noticed_at=early)]
    await store.poller_ledger.add_window(world.leases[mine.id], rows)
    assert await store.ledger_counts.oldest_unfinished([mine.id]) == {mine.id: early}


QUERIES: list[tuple[str, dict[str, Any], str]] = [
    ("ledger", {"account": "a", "state": "planned"}, "unfinished"),
    ("ledger", {"account": "a", "epoch": 1, "state": {"$in": ["planned", "published"]}}, "unfinished"),
    ("ledger", {"account": {"$in": ["a"]}, "state": {"$in": ["planned", "published"]}}, "unfinished"),
    ("ledger", {"account": "a", "mark_key": {"$in": ["k"]}, "id_mark": {"$in": [b"m"]}}, "id_mark"),
    ("ledger", {"marks": {"$in": [b"m"]}, "state": "unmatched"}, "marks"),
    ("ledger", {"email": {"$in": ["e"]}, "state": "attached"}, "email"),
    ("ledger", {"relink": True}, "relink"),
    ("ledger", {"bcc": {"$in": ["b"]}, "state": "attached"}, "bcc"),
    ("emails", {"id_mark": {"$in": [b"m"]}}, "id_mark"),
    ("emails", {"refs": {"$in": ["m"]}, "by_thread": True}, "refs"),
    ("emails", {"participants.address": {"$in": ["a"]}}, "participants"),
    ("links", {"email": {"$in": ["e"]}}, "email"),
    ("links", {"record.kind": "lead", "record.id": "r"}, "record"),
    ("addresses", {"mark": {"$in": [b"m"]}}, "mark"),
]


async def test_hot_queries_use_their_index(world: World) -> None:
    """Partial indexes serve the queries that are made for them."""
    for collection, query, index in QUERIES:
        plan = await world.database.command("explain", {"find": collection, "filter": query}, verbosity="queryPlanner")
        # Without documents the planner may as well take a longer index that begins alike, such as record_own.
        assert f"'indexName': '{index}" in str(plan["queryPlanner"]["winningPlan"]), (collection, query)


def test_account_ids_are_valid() -> None:
    """A new account id is valid in the contracts."""
    assert len(account("a@b.com").id) == 24
