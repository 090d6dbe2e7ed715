"""A poller whose secret opens no mailbox does not start."""

from __future__ import annotations

import pytest

from schemas.errors import LayoutError
from services.mailbox.connection import SecretBox, open_one, require_usable_secret
from tests.poller.fixtures import Mailbox, PollerEnvironment


async def test_a_wrong_secret_is_found_at_the_start(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """It says which secret is needed and where to put it. A deployment without mailboxes needs none."""
    other = SecretBox.from_keys(b"x" * 32)
    await require_usable_secret(world.store.accounts.sealed(), other)
    await world.connect(mailbox.user)
    with pytest.raises(LayoutError, match=f"{world.box.current}.*LEADMAIL_SECRET_KEYS_OLD"):
        await require_usable_secret(world.store.accounts.sealed(), other)
    await require_usable_secret(world.store.accounts.sealed(), world.box)
    assert (await open_one(world.store.accounts.sealed(), world.box)).opened == world.box.current
