"""Deleting an email for everyone: by an administrator, or by the holder of its only copies; and undoing that."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from schemas.mail import Content
from schemas.sharing import Mode
from services.store import NotAllowedError, NotFoundError, Store, email_ref
from services.store.core.documents import now
from tests.store.fixtures import World, content

A, B, ROOT = "a@corp.com", "b@corp.com", "root@corp.com"


async def test_a_downloaded_copy_does_not_let_its_holder_delete_for_everyone(world: World, store: Store) -> None:
    """A viewer who puts a shared mail into their own mailbox holds a copy, but not the only ones."""
    mine, other = await world.account("a@corp.com"), await world.account("b@corp.com")
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    await world.attach(mine, mail)
    await world.attach(other, mail)
    for user in ("a@corp.com", "b@corp.com"):
        with pytest.raises(NotAllowedError, match="holder of its only copies"):
            await store.deleting.delete(mail.key, by=user)
    await store.users.add("admin@corp.com", admin=True)
    await store.deleting.delete(mail.key, by="admin@corp.com")
    assert (await store.reading.visible_emails("a@corp.com", record)).emails == []


async def test_the_holder_of_the_only_copies_deletes(world: World, store: Store) -> None:
    """Two copies in two folders of one mailbox are still theirs alone."""
    mine = await world.account("a@corp.com")
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", "a@corp.com")
    await world.attach(mine, mail)
    await world.attach(mine, mail)
    await store.deleting.delete(mail.key, by="a@corp.com")
    assert (await store.reading.visible_emails("a@corp.com", record)).emails == []


async def test_what_a_user_does_not_see_they_cannot_delete(world: World, store: Store) -> None:
    """A private mail of another user is answered like one that does not exist, and stays."""
    mine = await world.account(A, Mode.PRIVATE)
    await world.user(B)
    record = await world.record("lead@x.com")
    mail = content("m", "lead@x.com", A)
    await world.attach(mine, mail)
    answers = []
    for key in (mail.key, content("other", "lead@x.com").key):
        with pytest.raises(NotFoundError) as caught:
            await store.deleting.delete(key, by=B)
        answers.append(str(caught.value).replace(key, ""))
    assert answers[0] == answers[1]
    assert len((await store.reading.visible_emails(A, record)).emails) == 1


@pytest.mark.parametrize("by", [ROOT, None])
async def test_an_administrator_and_the_operator_delete_any_email_that_exists(
    world: World, store: Store, by: str | None
) -> None:
    """They need no copy and need not see it; a mistyped id is an error. The deletion names who did it."""
    mine = await world.account(A, Mode.PRIVATE)
    await world.user(ROOT, admin=True)
    await world.record("lead@x.com")
    mail = content("m", "lead@x.com", A)
    await world.attach(mine, mail)
    with pytest.raises(NotFoundError, match="there is no email"):
        await store.deleting.delete(content("other", "lead@x.com").key, by=by)
    await store.deleting.delete(mail.key, by=by)
    assert [(one.email, one.by) for one in await store.deleted_emails.newest()] == [(mail.key, by or "operator")]
    with pytest.raises(NotFoundError):
        await store.deleting.delete(mail.key, by=by)


@pytest.fixture
async def deleted(world: World, store: Store) -> Content:
    """A mail that A deleted. Only A held it; B is another user, and Root an administrator."""
    mine = await world.account(A)
    await world.user(B)
    await world.user(ROOT, admin=True)
    await world.record("lead@x.com")
    mail = content("m", "lead@x.com", A, raw=hashlib.sha256(b"body").hexdigest())
    await store.blobs.put_many([(b"body", email_ref(mail.key))])
    await world.attach(mine, mail, bcc=["blind@x.com"])
    await store.deleting.delete(mail.key, by=A)
    return mail


async def keys(store: Store, by: str | None) -> list[str]:
    """Return the deleted emails that a user may restore."""
    return [one.email for one in await store.undoing.deleted(by)]


async def test_a_deletion_is_undone_by_its_user_or_an_administrator(
    world: World, store: Store, deleted: Content
) -> None:
    """The email, its copies with their Bcc and its blobs are back; the matcher relinks it. No one else learns of it."""
    (row,) = [one["_id"] async for one in world.database["ledger"].find({"reason": "deleted-in-crm"})]
    with pytest.raises(NotFoundError, match="there is no deleted email"):
        await store.undoing.restore(deleted.key, by=B)
    assert await keys(store, B) == []
    assert await keys(store, A) == await keys(store, ROOT) == await keys(store, None) == [deleted.key]
    assert await store.blob_sweep.run(grace=timedelta(seconds=-1)) == 0
    assert await store.undoing.restore(deleted.key[:12], by=A) == deleted.key
    assert (await store.emails.get(deleted.key)) is not None
    assert await store.emails.tombstones([deleted.key]) == frozenset()
    (copy,) = (await store.ledger.copies([deleted.key]))[deleted.key]
    assert (copy.id, copy.bcc) == (row, ("blind@x.com",))
    assert await store.blobs.get(deleted.raw) == b"body"
    assert deleted.key in {
        key for item in await store.pending_work.overdue(now() + timedelta(1)) for key in item.emails
    }
    with pytest.raises(NotFoundError):
        await store.undoing.restore(deleted.key, by=A)
    assert [(one.action, one.by) for one in await store.audit.newest(action="email")] == [
        ("email.restore", A),
        ("email.delete", A),
    ]


async def test_the_subject_of_a_deleted_email_is_for_those_who_held_it(
    world: World, store: Store, deleted: Content
) -> None:
    """An administrator who held no copy sees neither the subject nor whose it was; the log has only the id."""
    (mine,), (admins,), (operators,) = [await store.undoing.deleted(one) for one in (A, ROOT, None)]
    assert mine.subject == deleted.subject
    assert (admins.subject, admins.accounts) == (operators.subject, operators.accounts) == ("", frozenset())
    await store.undoing.restore(deleted.key, by=ROOT)
    logged = str([one async for one in world.database["audit"].find({"action": {"$regex": "^email"}})])
    assert deleted.subject not in logged


async def test_who_is_disabled_restores_nothing(store: Store, deleted: Content) -> None:
    """Neither an administrator nor the user who deleted it can undo a deletion once disabled, nor delete."""
    await store.users.set_admin(B, admin=True, by="operator")  # the last administrator cannot be disabled
    for user in (ROOT, A):
        await store.user_lifecycle.disable(user, by="operator")
        for attempt in (store.undoing.deleted(user), store.undoing.restore(deleted.key, by=user)):
            with pytest.raises(NotFoundError, match="disabled"):
                await attempt
        with pytest.raises(NotFoundError, match="disabled"):
            await store.deleting.delete(deleted.key, by=user)


async def test_after_the_grace_the_content_is_gone(world: World, store: Store, deleted: Content) -> None:
    """The sweep removes the email and then its blobs. The tombstone stays."""
    assert await store.deleted_emails.expire() == 0
    await world.database["deleted_emails"].update_many({}, {"$set": {"until": now()}})
    assert await keys(store, ROOT) == []
    with pytest.raises(NotFoundError):
        await store.undoing.restore(deleted.key, by=ROOT)
    assert await store.deleted_emails.expire() == 1
    assert await world.database["deleted_emails"].count_documents({}) == 0
    assert await store.blob_sweep.run(grace=timedelta(seconds=-1)) == 1
    assert await store.emails.tombstones([deleted.key]) == {deleted.key}


async def test_what_no_mailbox_holds_any_longer_is_not_restored(world: World, store: Store, deleted: Content) -> None:
    """Access comes from a copy: a mail that left the mailbox in the meantime stays deleted."""
    await world.database["ledger"].update_many({}, {"$set": {"state": "gone"}})
    with pytest.raises(NotFoundError, match="no mailbox holds a copy"):
        await store.undoing.restore(deleted.key, by=A)
    assert await store.emails.existing([deleted.key]) == frozenset()


async def test_a_purged_mailbox_leaves_nothing_to_restore(store: Store, deleted: Content) -> None:
    """The content goes with the last account that held it."""
    (account,) = await store.accounts.get_all(A)
    await store.removal.purge(account.id, by=A)
    assert await keys(store, ROOT) == []


@pytest.mark.parametrize("address", ["lead@x.com", "blind@x.com"])
async def test_an_erased_address_takes_deleted_mail_with_it(store: Store, deleted: Content, address: str) -> None:
    """An erasure reaches mail that could still be restored, and announces it."""
    assert (await store.erasing.counts(address, by=ROOT)).emails == 1
    await store.erasing.erase(address, by=ROOT)
    assert await keys(store, ROOT) == []
    assert (await store.erasing.counts(address, by=ROOT)).emails == 0
