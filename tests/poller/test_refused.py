"""A folder that the server refuses to open is neither empty nor gone, and a refusal that may pass ends nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.mailbox.imap import ImapSession, RefusedError, Selected
from services.poller.copies.account_context import AccountContext
from services.poller.sync.backfill import open_epoch
from services.poller.sync.folder_changes import FolderTracker
from services.poller.sync.reconcile import reconcile
from tests.poller.fixtures import Mailbox, PollerEnvironment, mail

INUSE = "EXAMINE: NO [INUSE] locked by another session"
CLOSED = "EXAMINE: NO [NOPERM] not for you"


@pytest.fixture
def refuse(session: ImapSession, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, str], None]:
    """Return a function that lets the server refuse to open a folder, in some words; empty words end that."""
    refused: dict[bytes, str] = {}
    examine = session.examine

    async def refusing(folder: bytes) -> Selected:
        if refused.get(folder):
            raise RefusedError(refused[folder])
        return await examine(folder)

    monkeypatch.setattr(session, "examine", refusing)
    return refused.__setitem__


async def test_a_folder_in_use_is_waited_for(
    context: AccountContext, session: ImapSession, mailbox: Mailbox, refuse: Callable[[bytes, str], None]
) -> None:
    """A backfill does not open without a folder that is only in use at the moment, nor ever without INBOX."""
    before = context.account.epoch
    for folder, words in ((b"Sent", INUSE), (b"INBOX", INUSE), (b"INBOX", CLOSED), (b"INBOX", CLOSED)):
        refuse(folder, words)
        with pytest.raises(RefusedError):
            await open_epoch(context, session)
        refuse(folder, "")
    assert (await open_epoch(context, session)).number == before + 1
    assert {"INBOX", "Sent"} <= {folder.name for folder in context.selected}


async def test_a_refused_folder_is_left_out_and_keeps_its_rows(
    world: PollerEnvironment,
    context: AccountContext,
    session: ImapSession,
    mailbox: Mailbox,
    refuse: Callable[[bytes, str], None],
) -> None:
    """What is refused twice is left out with its reason. Its rows stay, and the next check opens it again."""
    mailbox.append(mail(), "Sent")
    await open_epoch(context, session)
    for folder in context.selected:
        context.update_folder(folder, cursor=1, live_next=folder.uidnext)
    await reconcile(context, session)
    refuse(b"Sent", CLOSED)
    with pytest.raises(RefusedError):
        await open_epoch(context, session)
    await open_epoch(context, session)
    (sent,) = [folder for folder in context.folders.values() if folder.name == "Sent"]
    assert (sent.selected, sent.reason) == (False, "refused")
    await reconcile(context, session)
    assert len(await world.rows(context.account)) == 1, "its mail is not gone"

    refuse(b"Sent", INUSE)
    listed, _ = await session.list_folders()
    tracker = FolderTracker(context, session)
    await tracker.add_new(listed)
    assert not context.folders[sent.id].selected
    refuse(b"Sent", "")
    await tracker.add_new(listed)
    assert context.folders[sent.id].selected


async def test_a_folder_in_use_does_not_stop_a_comparison(
    world: PollerEnvironment,
    context: AccountContext,
    session: ImapSession,
    mailbox: Mailbox,
    refuse: Callable[[bytes, str], None],
) -> None:
    """The other folders are compared, and the comparison is tried again."""
    mailbox.append(mail(), "Sent")
    await open_epoch(context, session)
    for folder in context.selected:
        context.update_folder(folder, cursor=1, live_next=folder.uidnext)
    refuse(b"INBOX", INUSE)
    with pytest.raises(RefusedError):
        await reconcile(context, session)
    assert len(await world.rows(context.account)) == 1
    assert not context.folders[await world.folder_id(context.account, "INBOX")].checked_at


async def test_a_status_that_may_pass_does_not_prove_that_a_folder_is_gone(
    context: AccountContext, session: ImapSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that two lists lack is dropped only when STATUS says that it is not there."""
    listed, _ = await session.list_folders()
    without = [entry for entry in listed if entry.raw_name != b"Sent"]
    words = "STATUS: NO [UNAVAILABLE] try again"

    async def status(folder: bytes) -> dict[str, int]:
        raise RefusedError(words)

    monkeypatch.setattr(session, "status", status)
    tracker = FolderTracker(context, session)
    for _ in range(4):
        await tracker.drop_missing(without)
    assert "Sent" in {folder.name for folder in context.selected}
    words = "STATUS: NO [NONEXISTENT] no such folder"
    await tracker.drop_missing(without)
    assert "Sent" not in {folder.name for folder in context.selected}
