"""Deleting an email for everyone: by an administrator, or by the holder of its only copies."""

from __future__ import annotations

import pytest

from services.store import NotAllowedError, Store
from tests.store.fixtures import World, content


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
