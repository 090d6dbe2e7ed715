"""Grants follow changed policies, deleted copies and removed accounts. Narrowing works at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from schemas.accounts import AccountState
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.store import NotAllowedError, NotFoundError, Store
from services.store.core.documents import now
from tests.store.fixtures import World, content


async def seen(store: Store, viewer: str, record: RecordRef) -> int:
    """Return how many emails a viewer sees on a record, and check that the page and the count agree."""
    page = await store.reading.visible_emails(viewer, record)
    assert await store.reading.count(viewer, record) == len(page.emails)
    return len(page.emails)


async def test_narrowing_takes_effect_before_the_links_follow(world: World, store: Store) -> None:
    """The stored policy decides, even before the links are updated."""
    mine, _ = await world.account("a@corp.com"), await world.user("b@corp.com")
    record = await world.record("lead@x.com")
    await world.attach(mine, content("m", "lead@x.com", "a@corp.com"))
    assert await seen(store, "b@corp.com", record) == 1
    await store.accounts.save_sharing(mine.id, SharingPolicy(mode=Mode.PRIVATE))
    (link,) = [link async for part in store.links.of_record(record) for link in part]
    assert link.shared_by == (mine.id,)
    assert await seen(store, "b@corp.com", record) == 0
    assert await seen(store, "a@corp.com", record) == 1
    assert await store.sharing.resume() == 1
    (link,) = [link async for part in store.links.of_record(record) for link in part]
    assert link.shared_by == ()
    assert await store.sharing.resume() == 0
    summary = await world.summary(record)
    assert summary is not None
    assert summary["count"] == 0


async def test_widening_and_narrowing_by_the_owner(world: World, store: Store) -> None:
    """Each change reaches links and summaries, and the audit log says who did what."""
    mine, _ = await world.account("a@corp.com", Mode.PRIVATE), await world.user("b@corp.com")
    record = await world.record("lead@x.com")
    for number in range(3):
        await world.attach(mine, content(f"m{number}", "lead@x.com", "a@corp.com", minutes=number))
    assert await seen(store, "b@corp.com", record) == 0
    assert await store.sharing.set_account(mine.id, SharingPolicy(mode=Mode.PUBLIC), by="a@corp.com") == 3
    assert await seen(store, "b@corp.com", record) == 3
    summary = await world.summary(record)
    assert summary is not None
    assert (summary["count"], [line["subject"] for line in summary["newest"]]) == (
        3,
        ["Subject m2", "Subject m1", "Subject m0"],
    )
    excluding = SharingPolicy(mode=Mode.CUSTOM, excluded_domains=("x.com",))
    await store.sharing.set_account(mine.id, excluding, by="a@corp.com")
    assert await seen(store, "b@corp.com", record) == 0
    assert (await world.summary(record) or {})["count"] == 0
    newest = (await store.audit.newest(subject=f"account:{mine.id}"))[0]
    assert (newest.action, newest.by) == ("account.sharing", "a@corp.com")
    assert newest.details["after"] == {"mode": "custom", "excluded_domains": ["x.com"]}


async def test_the_administrator_decides_over_owners(world: World, store: Store) -> None:
    """Excluded domains and modes that are not allowed apply to all users at once."""
    mine, _ = await world.account("a@corp.com"), await world.user("b@corp.com")
    record = await world.record("lead@x.com")
    await world.attach(mine, content("m", "lead@x.com", "a@corp.com"))
    await store.sharing.set_company(CompanyPolicy(excluded_domains=("x.com",)), by="admin@corp.com")
    assert await seen(store, "b@corp.com", record) == 0
    assert (await world.summary(record) or {})["count"] == 0
    private_only = CompanyPolicy(allowed_modes=(Mode.PRIVATE,), default_mode=Mode.PRIVATE, version=1)
    await store.sharing.set_company(private_only, by="admin@corp.com")
    assert await store.company.policy() == private_only.replaced(version=2)
    assert await seen(store, "b@corp.com", record) == 0
    with pytest.raises(NotAllowedError, match="choose one of private"):
        await store.sharing.set_account(mine.id, SharingPolicy(mode=Mode.PUBLIC), by="a@corp.com")
    await store.sharing.set_company(CompanyPolicy(version=2), by="admin@corp.com")
    assert await seen(store, "b@corp.com", record) == 1
    assert (await store.audit.newest(subject="company"))[0].action == "company.sharing"


async def test_deleted_copies_take_their_grants_and_the_last_one_the_email(world: World, store: Store) -> None:
    """Each deleted copy takes its own grant, and the last one takes the email."""
    ann, bob = await world.account("ann@corp.com"), await world.account("bob@corp.com", Mode.PRIVATE)
    await world.user("eve@corp.com")
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "ann@corp.com", "bob@corp.com")
    anns, bobs = await world.attach(ann, mail), await world.attach(bob, mail)
    assert [await seen(store, f"{who}@corp.com", record) for who in ("ann", "bob", "eve")] == [1, 1, 1]
    assert await store.poller_ledger.gone(world.leases[ann.id], [anns]) == [mail.key]
    assert [await seen(store, f"{who}@corp.com", record) for who in ("ann", "bob", "eve")] == [0, 1, 0]
    assert await store.sharing.recompute([mail.key]) == {record}
    (debt,) = await store.pending_work.overdue(now() + timedelta(days=1))
    assert (debt.emails, debt.message_ids) == ((mail.key,), (mail.message_id,)), "its thread is the matcher's to see to"
    assert (await world.summary(record) or {})["count"] == 0
    await store.poller_ledger.gone(world.leases[bob.id], [bobs])
    await store.sharing.recompute([mail.key])
    assert await store.links.of_emails([mail.key]) == {}
    assert await store.emails.existing([mail.key]) == frozenset()
    assert await seen(store, "bob@corp.com", record) == 0


async def test_a_recompute_loses_no_addition_that_comes_at_the_same_time(world: World, store: Store) -> None:
    """While grants are recomputed repeatedly, no new copy is lost."""
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a0@corp.com")
    accounts = [await world.account(f"a{number}@corp.com") for number in range(6)]
    await world.attach(accounts[0], mail)
    arrivals = asyncio.gather(*(world.attach(account, mail) for account in accounts[1:]))
    while not arrivals.done():
        await store.sharing.recompute([mail.key])
    await arrivals
    (link,) = (await store.links.of_emails([mail.key]))[mail.key]
    assert set(link.owners) == {account.owner for account in accounts}
    assert set(link.shared_by) == {account.id for account in accounts}
    assert link.record == record


async def test_disconnecting_keeps_copies_and_freezes_the_policy(world: World, store: Store) -> None:
    """Others still see what was shared. The policy is frozen, the credentials are deleted, the lease has ended."""
    mine, _ = await world.account("a@corp.com"), await world.user("b@corp.com")
    record = await world.record("lead@x.com")
    await world.attach(mine, content("m", "lead@x.com", "a@corp.com"))
    await store.removal.disconnect(mine.id, by="a@corp.com")
    account = await store.accounts.get(mine.id)
    assert (account.state, account.credentials.ciphertext) == (AccountState.DISCONNECTED, b"")
    assert await store.leases.renew([world.leases[mine.id]]) == [world.leases[mine.id]]
    assert await seen(store, "b@corp.com", record) == 1
    with pytest.raises(NotFoundError):
        await store.sharing.set_account(mine.id, SharingPolicy(mode=Mode.PRIVATE), by="a@corp.com")
    with pytest.raises(NotFoundError):
        await store.removal.disconnect(mine.id, by="a@corp.com")
    again = mine.model_copy(update={"id": "f" * 24})
    await store.accounts.add(again)
    assert (await store.accounts.find("a@corp.com")).id == again.id


async def test_purging_removes_copies_grants_and_what_no_one_else_holds(world: World, store: Store) -> None:
    """Counts are shown first. Afterwards only the other accounts' copies are left."""
    ann, bob = await world.account("ann@corp.com"), await world.account("bob@corp.com", Mode.PRIVATE)
    record = await world.record("lead@x.com")
    both = content("both", "lead@x.com", "ann@corp.com", "bob@corp.com")
    only = content("only", "lead@x.com", "ann@corp.com")
    await world.attach(ann, both)
    await world.attach(bob, both)
    await world.attach(ann, only)
    counts = await store.removal.counts([ann.id], asker="ann@corp.com")
    assert (counts.rows, counts.copies, counts.emails, counts.only_here) == (2, 2, 2, 1)
    assert (await world.summary(record) or {})["count"] == 2
    await store.removal.purge(ann.id, by="ann@corp.com")
    assert await world.states(ann.id) == {}
    # The matcher finds pending work for the threads of the deleted email and of the one that another user now holds alone.
    owed = await store.pending_work.overdue(now() + timedelta(minutes=1))
    assert {name for debt in owed for name in debt.message_ids} == {"only@mail", "both@mail"}
    assert await store.emails.existing([both.key, only.key]) == {both.key}
    assert [await seen(store, f"{who}@corp.com", record) for who in ("ann", "bob")] == [0, 1]
    assert (await world.summary(record) or {})["count"] == 0
    with pytest.raises(NotFoundError):
        await store.accounts.get(ann.id)
    with pytest.raises(NotFoundError):
        await store.removal.purge(ann.id, by="ann@corp.com")
    assert (await store.audit.newest(subject=f"account:{ann.id}"))[0].details == {"rows": 2}


async def test_a_holder_keeps_one_mail_private_and_shares_it_again(world: World, store: Store) -> None:
    """The withdrawal takes effect at once, the summary follows, and undoing it restores what the policy says."""
    mine, _ = await world.account("a@corp.com"), await world.user("b@corp.com")
    record = await world.record("lead@x.com")
    for name in ("m1", "m2"):
        await world.attach(mine, content(name, "lead@x.com", "a@corp.com"))
    key = content("m1", "lead@x.com", "a@corp.com").key
    assert await store.withdrawing.keep_private(key, by="a@corp.com") == 1
    assert (await seen(store, "b@corp.com", record), await seen(store, "a@corp.com", record)) == (1, 2)
    assert (await world.summary(record) or {})["count"] == 1
    assert await store.withdrawing.share_again(key, by="a@corp.com") == 1
    assert await seen(store, "b@corp.com", record) == 2
    entries = await store.audit.newest(subject=f"email:{key}")
    assert [(one.action, one.by) for one in entries] == [("email.share", "a@corp.com"), ("email.private", "a@corp.com")]


async def test_only_a_holder_keeps_a_mail_private(world: World, store: Store) -> None:
    """A user who sees a colleague's mail cannot hide it, and one who does not see it does not learn that it exists."""
    mine = await world.account("a@corp.com")
    hidden = await world.account("c@corp.com", Mode.PRIVATE)
    await world.user("b@corp.com")
    await world.record("lead@x.com")
    await world.attach(mine, content("m1", "lead@x.com", "a@corp.com"))
    await world.attach(hidden, content("m2", "lead@x.com", "c@corp.com"))
    with pytest.raises(NotAllowedError):
        await store.withdrawing.keep_private(content("m1", "lead@x.com", "a@corp.com").key, by="b@corp.com")
    with pytest.raises(NotFoundError):
        await store.withdrawing.keep_private(content("m2", "lead@x.com", "c@corp.com").key, by="b@corp.com")
