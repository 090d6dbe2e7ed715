"""The backfill against a real server, compared with an independent reading of it."""

from __future__ import annotations

from schemas.ledger import RowState
from schemas.messages import SyncCompleted
from tests.poller.conftest import CLIENT, Mailbox, World, mail


async def test_backfill_gives_every_uid_one_final_row(world: World, mailbox: Mailbox) -> None:
    """Every uid that the server holds in a synchronised folder has exactly one row in a final state; left-out folders have none."""
    for number in range(40):
        mailbox.append(mail(CLIENT if number % 4 == 0 else "stranger@else.test"))
    mailbox.append(mail("stranger@else.test", CLIENT), "Sent")
    mailbox.append(mail(CLIENT), "Trash")
    mailbox.append(mail(CLIENT), "Junk")
    mailbox.append(mail(CLIENT), "Drafts")
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)

    world.start_poller()
    await world.complete(account)

    rows = await world.rows(account)
    by_folder: dict[str, set[tuple[int, int]]] = {}
    names = {folder.id: folder.name for folder in await world.store.folders.of(account.id)}
    for row in rows:
        by_folder.setdefault(names[row.folder], set()).add((row.uidvalidity, row.uid))
    for name in ("INBOX", "Sent"):
        validity, uids = mailbox.read(name)
        assert by_folder.pop(name) == {(validity, uid) for uid in uids}
    assert not by_folder
    assert await world.states(account) == {"attached": 11, "unmatched": 30}
    assert len(world.fetched) == 11
    assert all(CLIENT.encode() in raw for _, raw in world.fetched)
    assert all(row.epoch == 1 for row in rows if row.state is RowState.UNMATCHED)
    assert len(world.said(SyncCompleted)) <= 1
