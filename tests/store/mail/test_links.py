"""Emails and links: repeated and concurrent upserts, and grants withdrawn by compare-and-set."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from schemas.emails import Attestation, Match
from schemas.identity import link_id
from schemas.ledger import RowState
from schemas.mail import Attachment, Classification, Role
from services.store import LinkAddition, RowOutcome, Store
from services.store.core.documents import now
from tests.factories import row
from tests.store.fixtures import World, content, key


async def test_an_email_is_stored_once_and_comes_back_whole(store: Store) -> None:
    """Concurrent batches store one email with its content."""
    mail = content(
        "m",
        "a@x.com",
        "b@y.com",
        in_reply_to="p@mail",
        references=("r@mail",),
        date=now(),
        html="<b>x</b>",
        attachments=(Attachment(name="f.pdf", media_type="application/pdf", size=3, sha256="0" * 64),),
        marks=Classification(auto_reply=True, defects=("charset:x",)),
    )
    new = await asyncio.gather(*(store.emails.save_many([mail, mail]) for _ in range(4)))
    assert sorted(len(keys) for keys in new) == [0, 0, 0, 1]
    stored = await store.emails.get(mail.key)
    assert stored is not None
    assert (stored.content, stored.by_thread) == (mail, False)
    assert await store.emails.contents([mail.key, key("other")]) == {mail.key: mail}
    assert await store.emails.existing([mail.key, key("other")]) == {mail.key}
    assert await store.emails.get(key("other")) is None


async def test_thread_relations_are_found_from_both_ends(world: World, store: Store) -> None:
    """A reply finds its stored ancestors with their links. An ancestor finds the replies that only their thread links."""
    mine = await world.account("a@corp.com")
    record = await world.record("lead@x.com")
    root = content("root", "lead@x.com", "a@corp.com")
    reply = content("reply", "other@x.com", "a@corp.com", in_reply_to="root@mail", references=("root@mail",))
    named = content("named", "lead@x.com", "a@corp.com", references=("root@mail",))
    await world.attach(mine, root)
    await store.emails.save_many([reply, named], by_thread={reply.key})
    (ancestor,) = await store.emails.ancestors(["root@mail", "gone@mail"])
    assert (ancestor.key, ancestor.records) == (root.key, frozenset({record}))
    assert [brief.key for brief in await store.emails.referring(["root@mail"])] == [reply.key]
    await store.emails.set_by_thread(named.key, by_thread=True)
    assert {brief.key for brief in await store.emails.referring(["root@mail"])} == {reply.key, named.key}
    await store.emails.set_by_thread(reply.key, by_thread=False)
    (brief,) = await store.emails.referring(["root@mail"])
    assert (brief.key, brief.ancestors, brief.by_thread) == (named.key, ("root@mail",), True)


async def test_emails_that_name_an_address_are_found(store: Store) -> None:
    """A late contact finds stored mail that names it, in batches."""
    await store.emails.save_many([content(str(n), "a@x.com", f"b{n % 2}@y.com") for n in range(5)])
    parts = [part async for part in store.emails.with_participants(["b0@y.com"], batch=2)]
    assert [len(part) for part in parts] == [2, 1]
    assert {brief.key for part in parts for brief in part} == {key("0"), key("2"), key("4")}


def addition(mail: Any, record: Any, owner: str, **fields: Any) -> LinkAddition:
    """Return what a copy adds to a link by its sender."""
    match = Match(address=mail.participants[0].address, role=Role.FROM)
    values: dict[str, Any] = {"matches": (match,), "owner": owner, **fields}
    return LinkAddition(mail.key, record, mail.sent_at, mail.thread, **values)


async def test_additions_come_in_any_order_and_number(world: World, store: Store) -> None:
    """Copies of several accounts add to one link, at once and twice, without doubling anything."""
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    bcc = Match(address="lead@x.com", role=Role.BCC, account="b" * 24)
    additions = [
        addition(mail, record, "a@corp.com", shared="a" * 24),
        addition(mail, record, "b@corp.com", matches=(bcc,)),
    ]
    await asyncio.gather(*(store.links.save_many(additions[:: (-1) ** n]) for n in range(6)))
    (link,) = (await store.links.of_emails([mail.key]))[mail.key]
    assert link.id == link_id("lead", record.id, mail.key)
    assert (link.record, link.sent_at, link.thread) == (record, mail.sent_at, mail.thread)
    assert set(link.owners) == {"a@corp.com", "b@corp.com"}
    assert link.shared_by == ("a" * 24,)
    assert sorted((match.role, match.account) for match in link.matches) == [(Role.BCC, "b" * 24), (Role.FROM, None)]
    assert len(link.matches) == 2


async def test_a_users_own_emails_are_found_by_what_they_name(world: World, store: Store) -> None:
    """On whichever records they are; not what another user holds."""
    ann, bob = await world.account("ann@corp.com"), await world.account("bob@corp.com")
    await world.record("lead@x.com")
    first, second, third, other = (content(name, "lead@x.com", thread=f"thread of {name}") for name in "1234")
    for holder, mail in ((ann, first), (ann, second), (bob, second), (bob, third), (ann, other)):
        await world.attach(holder, mail)
    ids = [first.thread, second.thread, third.thread]
    assert await store.links.emails_naming("ann@corp.com", ids) == {first.key, second.key}
    assert await store.links.emails_naming("bob@corp.com", ids) == {second.key, third.key}
    assert await store.links.emails_naming("bob@corp.com", [first.thread]) == set()


async def test_attestations_of_a_thread_are_added_up(world: World, store: Store) -> None:
    """Each user's copy adds its attestation once. A replaced link has exactly the new ones."""
    record = await world.record("lead@x.com")
    mail = content("m", "who@y.com", "a@corp.com", "b@corp.com")
    attestations = [Attestation(owner=f"{name}@corp.com", address="lead@x.com") for name in "ab"]
    additions = [addition(mail, record, one.owner, attestations=(one,)) for one in attestations]
    await store.links.save_many(additions[:1])
    await store.links.save_many(additions)
    await store.links.save_many(additions[1:])
    (link,) = (await store.links.of_emails([mail.key]))[mail.key]
    assert sorted(link.attestations, key=lambda one: one.owner) == attestations
    assert await store.links.compare_and_set_many([link.model_copy(update={"attestations": (attestations[0],)})])
    await store.links.save_many(additions[:1])
    (link,) = (await store.links.of_emails([mail.key]))[mail.key]
    assert link.attestations == (attestations[0],)


async def test_a_link_is_replaced_only_by_who_read_its_newest_version(world: World, store: Store) -> None:
    """An addition in between makes the compare-and-set fail. An empty link is deleted."""
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com")
    await store.links.save_many([addition(mail, record, "a@corp.com")])
    (stale,) = (await store.links.of_emails([mail.key]))[mail.key]
    await store.links.save_many([addition(mail, record, "b@corp.com")])
    assert not await store.links.compare_and_set_many([stale.model_copy(update={"owners": ()})])
    (link,) = (await store.links.of_emails([mail.key]))[mail.key]
    assert await store.links.compare_and_set_many([link.model_copy(update={"owners": ("b@corp.com",)})])
    (link,) = (await store.links.of_emails([mail.key]))[mail.key]
    assert link.owners == ("b@corp.com",)
    assert await store.links.compare_and_set_many([link.model_copy(update={"owners": ()})])
    assert await store.links.of_emails([mail.key]) == {}
    assert [part async for part in store.links.of_record(record)] == []


async def test_a_recompute_between_link_and_row_is_noticed(world: World, store: Store) -> None:
    """Another copy is deleted just before this one's row is attached: the withdrawn addition is found missing and saved again."""
    mine = await world.account("a@corp.com")
    await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    await store.emails.save_many([mail])
    additions = await world.additions(mine, mail)
    await store.links.save_many(additions)
    await store.poller_ledger.add_window(world.leases[mine.id], [row(mine.id, 1)])
    await store.sharing.recompute([mail.key])  # sees no live copy yet
    assert await store.emails.existing([mail.key]) == frozenset()
    await store.matcher_ledger.finish([RowOutcome(row(mine.id, 1).id, RowState.ATTACHED, email=mail.key)])
    assert await store.links.lacking(additions) == additions
    await store.emails.save_many([mail])
    await store.links.save_many(additions)
    assert await store.links.lacking(additions) == []
    await store.sharing.recompute([mail.key])
    assert len((await store.reading.visible_emails("a@corp.com", additions[0].record)).emails) == 1


async def test_emails_on_no_record_expire_after_a_grace_period(world: World, store: Store) -> None:
    """Its body is deleted and its copies are unmatched, so that a late contact finds them. A link in time ends the grace period."""
    mine = await world.account("a@corp.com")
    record = await world.record("lead@x.com")
    mails = [content(name, "lead@x.com", "a@corp.com") for name in ("one", "two")]
    for mail in mails:
        await world.attach(mine, mail)
    async for links in store.links.of_record(record):
        for link in links:
            assert await store.links.compare_and_set_many([link.model_copy(update={"matches": ()})])
    await store.emails.mark_unlinked([mail.key for mail in mails])
    soon = now() + timedelta(seconds=1)
    assert set(await store.emails.unlinked(soon)) == {mail.key for mail in mails}
    await store.links.save_many(await world.additions(mine, mails[0]))
    marked = (await store.emails.briefs([mails[0].key]))[mails[0].key].unlinked_at
    assert marked is not None
    await store.emails.mark_unlinked([], {mails[0].key: marked})
    assert await store.emails.unlinked(now() - timedelta(hours=1)) == []
    await store.orphaned_emails.expire(await store.emails.unlinked(soon))
    assert await store.emails.existing([mail.key for mail in mails]) == {mails[0].key}
    assert await world.states(mine.id) == {"attached": 1, "unmatched": 1}


async def test_an_email_deleted_in_the_crm_never_comes_back(world: World, store: Store) -> None:
    """It disappears from every record and summary. Its rows have the reason, and a tombstone stays for the matcher."""
    mine = await world.account("a@corp.com")
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    await world.attach(mine, mail)
    records = await store.orphaned_emails.tombstone([mail.key], by="a@corp.com")
    await store.summaries.recompute(records)
    assert records == {record}
    assert await store.emails.tombstones([mail.key, key("x")]) == {mail.key}
    assert await store.emails.existing([mail.key]) == frozenset()
    assert await store.links.of_emails([mail.key]) == {}
    assert [(one.state.value, one.reason) async for one in store.ledger_counts.rows(mine.id)] == [
        ("skipped", "deleted-in-crm")
    ]
    summary = await world.summary(record)
    assert summary is not None
    assert (summary["count"], summary["newest"]) == (0, [])
    (entry,) = await store.audit.newest(subject=f"email:{mail.key}")
    assert (entry.action, entry.by) == ("email.delete", "a@corp.com")
