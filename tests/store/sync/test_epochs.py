"""Backfills are complete exactly when they are sealed and have no unfinished rows. Each has one confirmation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.accounts import AccountState
from schemas.ledger import EpochState, FolderState, NotificationState, RowState
from services.store import FolderChangedError, FolderPatch, RowOutcome, Store
from tests.factories import INBOX, enumerated, row
from tests.store.fixtures import World, content

STALE = timedelta(minutes=10)


async def test_opening_answers_the_request_and_anchors_the_folders(world: World, store: Store) -> None:
    """One write stores the next number and the folders' anchors, and clears the request."""
    mine = await world.account("a@corp.com")
    epoch = await store.epochs.start(world.leases[mine.id], [enumerated(mine.id)], expected=3)
    assert (epoch.number, epoch.expected, epoch.state) == (1, 3, EpochState.ENUMERATING)
    account = await store.accounts.get(mine.id)
    assert (account.epoch, account.resync_requested) == (1, False)
    assert await store.folders.of(mine.id) == [enumerated(mine.id).model_copy(update={"epoch": 1})]
    await store.accounts.request_resync(mine.id, by="operator")
    assert (await store.accounts.of_holder("poller-1", [mine.id]))[mine.id].resync_requested


async def test_complete_only_when_sealed_and_done(world: World, store: Store) -> None:
    """An open backfill does not complete, nor does one with an unfinished row. Then exactly one of many callers completes it."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    await store.epochs.start(lease, [enumerated(mine.id)], expected=2)
    assert not await store.epochs.complete_if_done(mine.id, 1)
    await store.poller_ledger.add_window(lease, [row(mine.id, 1), row(mine.id, 2), row(mine.id, 9, epoch=None)])
    await store.epochs.seal(lease, 1)
    assert await store.epochs.sealed() == [(mine.id, 1)]
    await store.matcher_ledger.finish([RowOutcome(row(mine.id, 1).id, RowState.UNMATCHED)])
    await store.poller_ledger.published(lease, [row(mine.id, 2).id])
    assert not await store.epochs.complete_if_done(mine.id, 1)
    await store.matcher_ledger.finish([RowOutcome(row(mine.id, 2).id, RowState.UNMATCHED)])
    outcomes = await asyncio.gather(*(store.epochs.complete_if_done(mine.id, 1) for _ in range(8)))
    assert sorted(outcomes) == [False] * 7 + [True]
    epoch = await store.epochs.get(mine.id, 1)
    assert epoch is not None
    assert (epoch.state, epoch.notification) == (EpochState.COMPLETE, NotificationState.DUE)
    assert epoch.completed_at is not None
    assert await store.epochs.sealed() == []


async def test_an_empty_mailbox_completes(world: World, store: Store) -> None:
    """An empty mailbox completes without rows."""
    mine = await world.account("a@corp.com")
    await store.epochs.start(world.leases[mine.id], [], expected=0)
    await store.epochs.seal(world.leases[mine.id], 1)
    assert await store.epochs.complete_if_done(mine.id, 1)


async def test_a_new_backfill_supersedes_an_unfinished_one(world: World, store: Store) -> None:
    """Unfinished rows move to the new backfill, and the old one is never confirmed. A complete one stays."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    await store.epochs.start(lease, [], expected=0)
    await store.epochs.seal(lease, 1)
    assert await store.epochs.complete_if_done(mine.id, 1)
    await store.epochs.start(lease, [enumerated(mine.id)], expected=1)
    await store.poller_ledger.add_window(lease, [row(mine.id, 1, epoch=2)])
    await store.epochs.seal(lease, 2)
    third = await store.epochs.start(lease, [enumerated(mine.id)], expected=1)
    assert [epoch.number for epoch in await store.epochs.of(mine.id)] == [3, 1]
    assert not await store.epochs.complete_if_done(mine.id, 2)
    await store.epochs.seal(lease, third.number)
    assert not await store.epochs.complete_if_done(mine.id, 3)
    await store.matcher_ledger.finish([RowOutcome(row(mine.id, 1).id, RowState.UNMATCHED)])
    assert await store.epochs.complete_if_done(mine.id, 3)


async def test_a_backfill_waits_for_live_mail_that_was_on_its_way(world: World, store: Store) -> None:
    """The row of live mail below the anchors belongs to the new backfill."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    await store.poller_ledger.add_window(
        lease, [row(mine.id, 1, epoch=None), row(mine.id, 2, RowState.UNMATCHED, epoch=None)]
    )
    epoch = await store.epochs.start(lease, [enumerated(mine.id)], expected=2)
    await store.epochs.seal(lease, epoch.number)
    assert not await store.epochs.complete_if_done(mine.id, epoch.number)
    await store.matcher_ledger.finish([RowOutcome(row(mine.id, 1).id, RowState.UNMATCHED)])
    assert await store.epochs.complete_if_done(mine.id, epoch.number)


async def test_a_backfill_waits_for_mail_that_has_to_come_again(world: World, store: Store) -> None:
    """A row that is planned again stays in its backfill, unless it had a final state."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    epoch = await store.epochs.start(lease, [enumerated(mine.id)], expected=2)
    await store.poller_ledger.add_window(lease, [row(mine.id, 1), row(mine.id, 2, RowState.UNMATCHED)])
    await store.epochs.seal(lease, epoch.number)
    await store.poller_ledger.published(lease, [row(mine.id, 1).id])
    assert await store.matcher_ledger.replan_rows([row(mine.id, 1).id, row(mine.id, 2).id]) == 2
    assert not await store.epochs.complete_if_done(mine.id, epoch.number)
    await store.matcher_ledger.finish([RowOutcome(row(mine.id, 1).id, RowState.UNMATCHED)])
    assert await store.epochs.complete_if_done(mine.id, epoch.number)


async def test_a_backfill_waits_for_live_mail_below_its_anchors(world: World, store: Store) -> None:
    """Mail seen as live before a backfill opens, but written afterwards, belongs to the backfill if it is below the anchor."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    await store.epochs.start(lease, [enumerated(mine.id)], expected=3)
    live = [row(mine.id, 3, epoch=None), row(mine.id, 4, epoch=None)]
    await store.poller_ledger.add_window(lease, live, folder=FolderPatch(INBOX, 1, live_next=5))
    await store.folders.patch(lease, FolderPatch(INBOX, 1, cursor=1, state=FolderState.ENUMERATED))
    await store.epochs.seal(lease, 1)
    assert not await store.epochs.complete_if_done(mine.id, 1)
    await store.matcher_ledger.finish([RowOutcome(live[0].id, RowState.UNMATCHED)])
    assert await store.epochs.complete_if_done(mine.id, 1), "what lies above the anchor is waited for by nobody"


async def test_a_backfill_is_not_sealed_over_a_recreated_folder(world: World, store: Store) -> None:
    """Whether the seal or new uids come first, the mail is enumerated by the backfill or counts as live. None is missed."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    await store.epochs.start(lease, [enumerated(mine.id)], expected=3)
    done = FolderPatch(INBOX, 1, cursor=1, state=FolderState.ENUMERATED)
    await store.folders.patch(lease, done)
    (folder,) = await store.folders.of(mine.id)
    renewed = await store.folders.renew(lease, folder.model_copy(update={"uidvalidity": 2, "uidnext": 8}))
    assert (renewed.cursor, renewed.live_next, renewed.uidnext) == (8, 8, 8), "it is walked again"
    with pytest.raises(FolderChangedError):
        await store.epochs.seal(lease, 1)
    await store.folders.patch(lease, replace(done, uidvalidity=2))
    await store.epochs.seal(lease, 1)
    again = await store.folders.renew(lease, renewed.model_copy(update={"uidvalidity": 3, "uidnext": 8}))
    assert (again.cursor, again.live_next, again.uidnext) == (1, 1, 1), "all of it is new"
    assert await store.folders.of(mine.id) == [again]


async def test_a_window_of_invalid_uids_is_not_written(world: World, store: Store) -> None:
    """A window of a folder that was recreated meanwhile changes neither rows nor cursor."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    await store.epochs.start(lease, [enumerated(mine.id)], expected=3)
    (folder,) = await store.folders.of(mine.id)
    renewed = await store.folders.renew(lease, folder.model_copy(update={"uidvalidity": 2, "uidnext": 8}))
    with pytest.raises(FolderChangedError):
        await store.poller_ledger.add_window(lease, [row(mine.id, 3)], folder=FolderPatch(INBOX, 1, cursor=3))
    with pytest.raises(FolderChangedError):
        await store.folders.patch(lease, FolderPatch(INBOX, 1, live_next=9))
    assert await store.folders.of(mine.id) == [renewed]
    assert await store.ledger.uids(mine.id, INBOX, 1) == []


async def test_a_confirmation_is_claimed_once_and_again_after_a_crash(world: World, store: Store) -> None:
    """One sender claims at a time. An old claim is taken over. A sent confirmation is never claimed again."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    await store.epochs.start(lease, [], expected=0)
    assert await store.epochs.claim(mine.id, 1, stale=STALE) is None
    await store.epochs.seal(lease, 1)
    await store.epochs.complete_if_done(mine.id, 1)
    claims = await asyncio.gather(*(store.epochs.claim_due(stale=STALE) for _ in range(4)))
    assert [claim.number for claim in claims if claim] == [1]
    assert await store.epochs.claim(mine.id, 1, stale=STALE) is None
    old = row(mine.id, 1).updated_at - timedelta(hours=1)
    await world.database["epochs"].update_many({}, {"$set": {"claimed_at": old}})
    assert await store.epochs.claim(mine.id, 1, stale=STALE) is not None
    await store.epochs.release(mine.id, 1)
    assert await store.epochs.claim_due(stale=STALE) is not None
    await store.epochs.sent(mine.id, 1)
    assert await store.epochs.claim_due(stale=timedelta(0)) is None
    epoch = await store.epochs.get(mine.id, 1)
    assert epoch is not None
    assert epoch.notification is NotificationState.SENT


async def test_the_report_says_what_became_of_everything(world: World, store: Store) -> None:
    """The report has counts by state, reason and folder, dates and records of attached mail, excluded folders and the current policy."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    trash = enumerated(mine.id).model_copy(
        update={"id": "a" * 12, "name": "Trash", "role": "trash", "selected": False, "reason": "trash"}
    )
    await store.epochs.start(lease, [enumerated(mine.id), trash], expected=4)
    lead, contact = await world.record("lead@x.com"), await world.record("c@y.com", kind="contact")
    assert (lead.kind, contact.kind) == ("lead", "contact")
    first = content("one", "lead@x.com", "a@corp.com", minutes=5)
    second = content("two", "a@corp.com", "lead@x.com", "c@y.com", minutes=90)
    for uid, mail in ((1, first), (2, second), (3, second)):
        await world.attach(mine, mail, uid=uid)
    await store.poller_ledger.add_window(
        lease, [row(mine.id, 4, RowState.UNMATCHED), row(mine.id, 5, RowState.SKIPPED, reason="too-large")]
    )
    report = await store.status.report(mine.id, 1)
    assert report is not None
    assert report.counts == {RowState.ATTACHED: 3, RowState.UNMATCHED: 1, RowState.SKIPPED: 1}
    assert report.reasons == {"too-large": 1}
    assert (report.emails, report.linked) == (2, {"lead": 1, "contact": 1})
    assert (report.oldest, report.newest) == (first.sent_at, second.sent_at)
    assert [(folder.name, folder.selected, folder.reason) for folder in report.folders] == [
        ("INBOX", True, None),
        ("Trash", False, "trash"),
    ]
    assert report.folders[0].counts == report.counts
    assert report.sharing == mine.sharing
    assert (report.owner, report.address, report.epoch.expected) == ("a@corp.com", "a@corp.com", 4)
    assert await store.status.report(mine.id, 2) is None


async def test_the_report_of_an_empty_mailbox(world: World, store: Store) -> None:
    """Without attached mail the report has no dates and no records."""
    mine = await world.account("a@corp.com")
    await store.epochs.start(world.leases[mine.id], [], expected=0)
    report = await store.status.report(mine.id, 1)
    assert report is not None
    assert (report.emails, report.oldest, report.linked) == (0, None, {"lead": 0, "contact": 0})


async def test_status_of_accounts(world: World, store: Store) -> None:
    """One line per account: holder, newest backfill, counts, and the oldest waiting row."""
    mine = await world.account("a@corp.com")
    await store.epochs.start(world.leases[mine.id], [], expected=7)
    await store.poller_ledger.add_window(world.leases[mine.id], [row(mine.id, 1)])
    (line,) = await store.status.accounts()
    assert (line.account.id, line.holder, line.counts) == (mine.id, "poller-1", {RowState.PLANNED: 1})
    assert line.epoch is not None
    assert line.epoch.expected == 7
    assert line.oldest_unfinished is not None
    assert await store.status.accounts("nobody@corp.com") == []


async def test_an_account_whose_owner_was_quicker_is_not_blocked(world: World, store: Store) -> None:
    """A block does not undo new credentials or a pause that arrived meanwhile, and no one is notified."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    new = mine.credentials.model_copy(update={"ciphertext": b"new"})
    await store.accounts.save_credentials(mine.id, new, by="a@corp.com")
    assert await store.account_troubles.block(lease, "wrong-password", tried=mine.credentials) is None
    assert (await store.accounts.get(mine.id)).state is AccountState.ACTIVE
    await store.accounts.set_state(mine.id, AccountState.PAUSED, by="a@corp.com")
    assert await store.account_troubles.block(lease, "wrong-password", tried=new) is None
    found = await store.accounts.get(mine.id)
    assert (found.state, found.incident) == (AccountState.PAUSED, 0)
    assert await store.attention.due() == []


async def test_each_incident_has_one_attention_mail(world: World, store: Store) -> None:
    """A block is one incident, however often it is noticed. Its mail is claimed once, and never after recovery."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    assert await store.account_troubles.block(lease, "wrong-password", tried=mine.credentials) == 1
    assert await store.account_troubles.block(lease, "wrong-password", tried=mine.credentials) is None
    assert await store.attention.due() == [(mine.id, 1, "wrong-password")]
    claims = await asyncio.gather(*(store.attention.claim(mine.id, 1, stale=STALE) for _ in range(4)))
    (claimed,) = [claim for claim in claims if claim]
    assert (claimed.reason, claimed.state) == ("wrong-password", AccountState.BLOCKED)
    await store.attention.release(mine.id, 1)
    assert await store.attention.claim(mine.id, 1, stale=STALE) is not None
    assert await store.attention.claim(mine.id, 1, stale=timedelta(0)) is not None  # the first sender died
    await store.attention.sent(mine.id, 1)
    assert await store.attention.claim(mine.id, 1, stale=timedelta(0)) is None
    assert await store.attention.due() == []
    await store.accounts.save_credentials(mine.id, mine.credentials, by="a@corp.com")
    assert (await store.accounts.get(mine.id)).state is AccountState.ACTIVE
    assert await store.account_troubles.block(lease, "imap-off", tried=mine.credentials) == 2
    await store.accounts.set_state(mine.id, AccountState.ACTIVE, by="a@corp.com")
    assert await store.attention.claim(mine.id, 2, stale=STALE) is None
