"""Long and hostile headers, in mailboxes on a real server."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from schemas.accounts import Account
from schemas.ledger import HEADER_UNCLEAR, RowState
from tests.conftest import MailUser
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until
from tests.poller.imap_proxy import proxy

LONG = "".join(f"X-Filler-{number}: {'y' * 900}\r\n" for number in range(50))
ENDLESS = LONG * 13
HOSTILE = 100


async def test_long_headers_are_read_whole(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """Who stands beyond the first piece counts, now and for a late contact; bodies of other mail stay in the mailbox."""
    mailbox.append(mail("stranger@else.test", extra=f"{LONG}Cc: {CLIENT}\r\n", body="business-"))
    mailbox.append(mail("stranger@else.test", extra=f"{LONG}Cc: late@else.test\r\n", body="secret-"))
    mailbox.append(mail(CLIENT, body="short-"))
    await world.know(CLIENT)
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()
        await world.complete(account)
        assert await world.states(account) == {"attached": 2, "unmatched": 1}
        assert b"BODY.PEEK[HEADER]<0.32768>" in wire.sent
        assert b"business-" in wire.answered
        assert b"secret-" not in wire.answered
        await world.know("late@else.test", sweep=True)
        await until(lambda: len(world.fetched) == 3, "the late contact's history", world)

        # A header that is read whole tells a copy from a new mail.
        mailbox.create("Kept")
        mailbox.uid("COPY", "1", "Kept")
        await until(lambda: _count(world, 4), "the copy has its row", world)
        assert await world.states(account) == {"attached": 4}
        assert len(world.fetched) == 3


@pytest.mark.parametrize("header", ["unreadable", "endless"])
async def test_mail_whose_header_does_not_tell_who_takes_part_stays_in_the_mailbox(
    world: PollerEnvironment, mailbox: Mailbox, header: str
) -> None:
    """It is skipped and counted, and its body is not fetched to find out; who is named in what was read is found later."""
    extra = {
        "unreadable": 'Cc: "no one"@else.test\r\nReply-To: late@else.test\r\n',
        "endless": f"Cc: late@else.test\r\n{ENDLESS}",
    }
    mailbox.append(mail("stranger@else.test", extra=extra[header], body="secret-"))
    mailbox.append(mail(CLIENT, extra=extra[header], body="business-"))
    await world.know(CLIENT)
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()
        await world.complete(account)
        assert await world.states(account) == {"attached": 1, "skipped": 1}
        (row,) = await world.rows(account, RowState.SKIPPED)
        assert row.reason == HEADER_UNCLEAR
        assert b"business-" in wire.answered
        assert b"secret-" not in wire.answered
        assert all(int(size) <= 32_768 for size in re.findall(rb"BODY.PEEK\[HEADER\]<\d+\.(\d+)>", wire.sent))
        await world.know("late@else.test", sweep=True)
        await until(lambda: len(world.fetched) == 2, "the late contact's history", world)
        await until(lambda: _attached(world, account, 2), "the row is attached", world)


async def _attached(world: PollerEnvironment, account: Account, number: int) -> bool:
    return await world.states(account) == {"attached": number}


async def test_headers_without_end_have_no_twins(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """Two mails whose headers differ only where they are not read are two mails; each is fetched."""
    start = f"From: {CLIENT}\r\nMessage-ID: <same@test>\r\nSubject: long\r\n{ENDLESS}"
    assert len(start) > 512 * 1024
    mailbox.append(f"{start}X-End: 1\r\n\r\ntext 1\r\n".encode())
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    world.start_poller()
    await world.complete(account)
    mailbox.append(f"{start}X-End: 2\r\n\r\ntext 2\r\n".encode())
    await until(lambda: len(world.fetched) == 2, "the second mail is fetched", world)
    rows = await world.rows(account)
    assert [row.header for row in rows] == [b"", b""]
    assert len({row.id_mark for row in rows}) == 1
    assert all(row.id_mark and row.mark_key for row in rows)


async def test_hostile_headers_of_one_account_harm_no_other(
    world: PollerEnvironment, mailbox: Mailbox, new_mail_user: Callable[..., MailUser]
) -> None:
    """Hundreds of mails to a crowd of 256 KB each: the other account's mail arrives, and no lease is lost meanwhile."""
    hostile = Mailbox(world.servers, new_mail_user())
    for count in range(HOSTILE):
        crowd = ",\r\n ".join(f'"U {n}" <u{count}.{n}@crowd{n % 50}.test>' for n in range(7_000))
        hostile.append(mail("stranger@else.test", to=crowd, extra=f"Cc: {CLIENT}\r\n" if count == HOSTILE // 2 else ""))
    for _ in range(30):
        mailbox.append(mail(CLIENT))
    await world.know(CLIENT)
    attacked = await world.connect(hostile.user)
    account = await world.connect(mailbox.user)
    poller = world.start_poller(lease_seconds="2")
    await world.complete(account)
    mailbox.append(mail(CLIENT, subject="live"))
    await until(lambda: any(b"Subject: live" in raw for _, raw in world.fetched), "new mail arrives", world)
    await world.complete(attacked)
    hostile.close()

    assert await world.states(account) == {"attached": 31}
    # Beyond a thousand people the parser would read on in Cc only if To had fewer: what it keeps is what counts.
    assert sum((await world.states(attacked)).values()) == HOSTILE
    log = poller.log.read_text()
    assert "lease lost" not in log
    assert log.count('"account leased"') == 2
    rows = await world.rows(attacked, RowState.UNMATCHED)
    assert max(len(row.marks) for row in rows) < 4_100


async def _count(world: PollerEnvironment, number: int) -> bool:
    (account,) = await world.store.accounts.get_all()
    return len(await world.rows(account)) == number
