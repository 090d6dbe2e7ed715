"""Bounces whose headers name nobody: the report tells whom they are about. On a real server, and on one that fails."""

from __future__ import annotations

import asyncio
import base64
import itertools
import quopri
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import cast

import pytest

from schemas.accounts import Account
from services.mailbox.connection.credentials import password
from services.mailbox.imap import BodyPart, ConnectionLostError, Fetched, ImapSession, RefusedError, connect_imap
from services.parser.content.parse import parse_mail
from services.poller.copies.account_context import AccountContext
from services.poller.copies.delivery_reports import FAILURES
from services.poller.copies.header_reader import MessageHeader, read_headers
from services.poller.copies.headers import may_be_bounce
from tests.mailbox.scripted_server import Scripted, at, imap, make_policy
from tests.parser.samples import multipart, part
from tests.poller.copies.test_header_reader import context_of
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until
from tests.poller.imap_proxy import proxy

ME = "me@company.test"
DAEMON = (
    "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.test\r\nTo: {to}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
)
_numbers = itertools.count(1)


def head_of(to: str = ME, head: str = DAEMON) -> bytes:
    """Return the header of a bounce, without its type."""
    return head.format(to=to).encode() + b"Message-ID: <bounce%d@mx.test>\r\n" % next(_numbers)


def returned_mail(to: str, message_id: str = "offer@company.test") -> bytes:
    """Return a mail of ours that bounced."""
    return f"From: {ME}\r\nTo: {to}\r\nSubject: Offer\r\nMessage-ID: <{message_id}>\r\n\r\nsecret-words\r\n".encode()


def bounce(
    failed: str, *, to: str = ME, head: str = DAEMON, sent_to: str = "", message_id: str = "offer@company.test"
) -> bytes:
    """Return a delivery status notification, which names whom it is about in its parts only."""
    status = (
        f"Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822; {failed}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    body, field = multipart(
        b"report; report-type=delivery-status",
        part(b"It could not be delivered.", b"Content-Type: text/plain"),
        part(status.encode(), b"Content-Type: message/delivery-status"),
        part(returned_mail(sent_to or failed, message_id), b"Content-Type: message/rfc822"),
    )
    return head_of(to, head) + field + b"\r\nMIME-Version: 1.0\r\n\r\n" + body


def older_bounce(failed: str, *, to: str = ME) -> bytes:
    """Return a bounce that says so in words."""
    words = f"Hi. This is the mail system.\r\n\r\n<{failed}>:\r\nuser unknown\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n"
    return head_of(to) + b"\r\n" + words.encode() + returned_mail(failed)


def vacation(named: str, *, to: str = ME) -> bytes:
    """Return an automatic answer, which names someone in its text."""
    head = f"Return-Path: <>\r\nFrom: stranger@else.test\r\nTo: {to}\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n"
    return head_of(to, head) + f"\r\nI am away, private-words.\r\n\r\n{named}\r\n".encode()


async def test_bounces_are_fetched_whose_reports_name_a_known_address(
    world: PollerEnvironment, mailbox: Mailbox
) -> None:
    """In a backfill, live, and for a late contact. Nothing is read of what the bounced mail said, nor of other automatic mail."""
    me = mailbox.user.address
    mailbox.append(bounce(CLIENT, to=me))
    mailbox.append(older_bounce(CLIENT, to=me))
    mailbox.append(bounce("late@else.test", to=me))
    mailbox.append(vacation(CLIENT, to=me))
    mailbox.append(bounce(CLIENT, to="another@company.test"))
    await world.know(CLIENT)
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()
        await world.complete(account)
        assert await world.states(account) == {"attached": 2, "unmatched": 3}
        assert wire.answered.count(b"secret-words") == 3, "of two that are fetched, and in the words of one of them"
        assert b"private-words" not in wire.answered
        (late,) = [row for row in await world.rows(account) if row.uid == 3]
        assert set(world.store.record_addresses.hashes(["late@else.test"])) & set(late.marks)

        mailbox.append(bounce(CLIENT, to=me))
        await until(lambda: len(world.fetched) == 3, "a new bounce is fetched", world)
        await world.know("late@else.test", sweep=True)
        await until(lambda: len(world.fetched) == 4, "the late contact's bounce is fetched", world)
        assert b"late@else.test" in world.fetched[-1][1]


async def test_bounce_of_a_mail_that_is_known_as_sent(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """It is fetched by the Message-ID of the mail that it returns, although nobody whom it names is known.

    Not so if it is about someone whom that mail does not name, and who may have been in Bcc, whatever it answers.
    """
    me = mailbox.user.address
    mailbox.append(mail(me, to=CLIENT))
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    world.start_poller()
    await world.complete(account)
    sent = await world.link(account.owner, sent=True, named=f"To: {CLIENT}")
    mailbox.append(bounce("forwarded@else.test", to=me, message_id="unknown@company.test"))
    answer = DAEMON + f"In-Reply-To: <{sent}>\r\nReferences: <{sent}>\r\n"
    mailbox.append(bounce("hidden@else.test", to=me, head=answer, sent_to="other@else.test", message_id=sent))
    mailbox.append(bounce("forwarded@else.test", to=me, message_id=sent))
    await until(lambda: len(world.fetched) == 2, "the bounce is fetched", world)
    assert f"<{sent}>".encode() in world.fetched[-1][1]
    assert b"hidden@else.test" not in world.fetched[-1][1]
    await until(lambda: _attached(world, account, 2), "its row is attached", world)
    assert await world.states(account) == {"attached": 2, "unmatched": 2}


async def _attached(world: PollerEnvironment, account: Account, number: int) -> bool:
    return (await world.states(account)).get("attached") == number


WORDS = (
    b"It could not be delivered.\r\n",
    b"The following address failed:\r\n\r\n  kim@x.test\r\n    user unknown\r\n",
    b"<lou@x.test>: mailbox is full\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n"
    + returned_mail("max@x.test"),
    b"Your mail to eve@x.test has not been delivered yet. We will continue to try.\r\n",
    b"Write to kim@x.test instead.\r\n",
    b"Your mail could not be delivered to: <kim@x.test>\r\nFor help, write to max@x.test.\r\n",
    b"Your mail to lou@x.test could not be delivered. Contact eve@x.test.\r\n",
)
SUBJECTS = ("Undelivered Mail", "=?utf-8?q?Unzustellbar?=", "Hello", "Out of office", "Delivery delayed")
FROMS = (
    "MAILER-DAEMON@mx.test",
    "postmaster@mx.test",
    "Mail Delivery System <mailer-daemon@mx.test>",
    "news@else.test",
    "Provider <no-reply@else.test>",
    "do-not-reply.mail@else.test",
    "",
)
TYPES = (b"message/delivery-status", b"message/global-delivery-status", b"text/plain", b"MESSAGE/Delivery-Status")
COPIES = (b"message/rfc822", b"text/rfc822-headers", b"message/global-headers", b"application/octet-stream")


def _encoded(random: Random, content: bytes) -> tuple[bytes, bytes]:
    """Return a content in some transfer encoding, and its field."""
    match random.choice(("7bit", "7bit", "base64", "quoted-printable")):
        case "base64":
            return base64.encodebytes(content), b"Content-Transfer-Encoding: base64"
        case "quoted-printable":
            return quopri.encodestring(content), b"Content-Transfer-Encoding: quoted-printable"
    return content, b"Content-Transfer-Encoding: 7bit"


def any_bounce(random: Random, to: str) -> bytes:
    """Return what is a bounce, or nearly one."""
    head = random.choice(("Return-Path: <>\r\n", "Return-Path: <bounces@mx.test>\r\n", ""))
    head += f"From: {sender}\r\n" if (sender := random.choice(FROMS)) else ""
    head += f"To: {to}\r\nSubject: {random.choice(SUBJECTS)}\r\n"
    head += random.choice(("", "", "X-Failed-Recipients: kim@x.test\r\n", "References: <other@company.test>\r\n"))
    words, encoding = _encoded(random, random.choice(WORDS))
    if random.random() < 0.25:
        return head_of(to, head) + b"Content-Type: text/plain\r\n" + encoding + b"\r\nMIME-Version: 1.0\r\n\r\n" + words
    blocks = b"".join(
        b"\r\n%s: rfc822; %s@x.test\r\nAction: %s\r\nStatus: %s\r\n"
        % (
            random.choice((b"Final-Recipient", b"Original-Recipient")),
            random.choice((b"kim", b"lou", b"max")),
            random.choice((b"failed", b"delayed", b"delivered")),
            random.choice((b"5.1.1", b"4.4.1")),
        )
        for _ in range(random.randint(0, 3))
    )
    status, status_encoding = _encoded(random, b"Reporting-MTA: dns; mx.test\r\n" + blocks)
    parts = [
        part(words, b"Content-Type: text/plain; charset=utf-8", encoding),
        part(status, b"Content-Type: " + random.choice(TYPES), status_encoding),
        part(returned_mail(random.choice(("kim@x.test", "ann@x.test"))), b"Content-Type: " + random.choice(COPIES)),
    ]
    parts = parts if random.random() < 0.7 else random.sample(parts, random.randint(1, 3))
    kind = random.choice(
        (b"report; report-type=delivery-status", b"report; report-type=delivery-status", b"mixed", b"report")
    )
    body, field = multipart(kind, *parts)
    if random.random() < 0.2:
        wrapped = part(field + b"\r\n\r\n" + body, b"Content-Type: message/rfc822")
        body, field = multipart(
            b"mixed", part(words, b"Content-Type: text/plain", encoding), wrapped, boundary=b"outer"
        )
    return head_of(to, head) + field + b"\r\nMIME-Version: 1.0\r\n\r\n" + body


async def test_poller_finds_in_bounces_whom_the_parser_finds(
    mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """By the parts that the server names: nobody is missed, and nobody is found by whom the parser would not link the mail."""
    random, me = Random(7), mailbox.user.address
    mails = [
        raw for raw in (any_bounce(random, me) for _ in range(160)) if may_be_bounce(raw.partition(b"\r\n\r\n")[0])
    ]
    for raw in mails:
        mailbox.append(raw)
    await session.examine(b"INBOX")
    read, left = await read_headers(context, session, await session.headers(range(1, len(mails) + 1)))
    assert (len(read), len(left)) == (len(mails), 0)
    assert len(mails) > 100
    bounces = 0
    for header, raw in zip(read, mails, strict=True):
        parsed = parse_mail(raw, account="0" * 24, internal_date=datetime(2026, 1, 1, tzinfo=UTC))
        named = {person.address for person in parsed.content.participants} | set(parsed.bcc)
        assert named == header.facts.participants, raw.decode()
        assert set(parsed.content.ancestors) <= set(header.facts.references), raw.decode()
        if not parsed.content.marks.bounce:
            assert set(header.facts.references) <= {"other@company.test"}, raw.decode()
        bounces += parsed.content.marks.bounce
    assert 40 < bounces < len(mails)


class FailingSession:
    """A server that fails over the parts of some bounces."""

    selected = b"INBOX"
    closed = False

    def __init__(self, error: Exception, *bad: int) -> None:
        self.error = error
        self.bad = bad
        self.asked: list[Sequence[int]] = []

    async def structures(self, uids: Sequence[int]) -> dict[int, tuple[BodyPart, ...]]:
        """Return the parts, or fail."""
        self.asked.append(list(uids))
        if set(uids) & set(self.bad):
            raise self.error
        return {uid: (BodyPart("1", "message/delivery-status", "", ""),) for uid in uids}

    async def sections(self, uids: Sequence[int], wanted: Sequence[tuple[str, int]]) -> dict[int, dict[str, bytes]]:
        """Return a notification."""
        assert sum(size for _, size in wanted) <= 64 * 1024
        return {uid: {"1": b"\r\n\r\nFinal-Recipient: rfc822; u%d@x.test\r\nAction: failed\r\n" % uid} for uid in uids}


async def _read(context: AccountContext, session: FailingSession, count: int) -> list[MessageHeader]:
    messages = [
        Fetched(uid, header=bounce("gone@x.test").partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        for uid in range(1, count + 1)
    ]
    return (await read_headers(context, cast("ImapSession", session), messages))[0]


async def test_bounce_that_breaks_the_connection_harms_no_other() -> None:
    """It is asked for alone, a few times, and is decided on by its header in the end; the others are read."""
    context, session = context_of(), FailingSession(ConnectionLostError("broken"), 3)
    attempts = 0
    while True:
        attempts += 1
        with suppress(ConnectionLostError):
            read = await _read(context, session, 6)
            break
    assert attempts == FAILURES + 1
    assert [f"u{header.message.uid}@x.test" in header.facts.participants for header in read] == [
        uid != 3 for uid in range(1, 7)
    ]
    assert all(len(uids) == 1 for uids in session.asked[1:])


async def test_throttling_says_nothing_of_a_bounce() -> None:
    """The refusal is passed on as often as the server repeats it, and no bounce is suspected."""
    context = context_of()
    throttled = RefusedError("FETCH: NO Request is throttled. Suggested Backoff Time: 2000 milliseconds")
    assert throttled.throttled
    for _ in range(FAILURES + 2):
        with pytest.raises(RefusedError):
            await _read(context, FailingSession(throttled, 1), 2)
    assert not context.suspects.reports


STRUCTURE = (
    '(("text" "plain" NIL NIL NIL "7bit" 10 1 NIL)("MESSAGE" "DELIVERY-STATUS" NIL NIL NIL "base64" 99 NIL)'
    '("message" "rfc822" NIL NIL NIL "7bit" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" NIL NIL NIL "7bit" 1 1) 9)'
    ' "report")'
)
ANSWERS = {
    "structure": (STRUCTURE, 3),
    "one part": ('("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 10 1)', 1),
    "nothing": ("NIL", 0),
    "no lists": ('"report"', 0),
    "deep": ("(" * 5_000 + ")" * 5_000, 1),
    "wide": ("(" + '("text" "plain" NIL NIL NIL "7bit" 1 1)' * 5_000 + ' "mixed")', 100),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_a_server_says_of_parts_is_bounded(name: str) -> None:
    """Leaves are read as far as they can be; of a section no more counts than was asked for, and none that was not."""
    answer, count = ANSWERS[name]
    script = imap(
        {
            "UID FETCH 1 (UID BODYSTRUCTURE)": f"* 1 FETCH (UID 1 BODYSTRUCTURE {answer})\r\n{{tag}} OK done",
            "UID FETCH 1 (UID BODY.PEEK": '* 1 FETCH (UID 1 BODY[2]<0> "abcdef" BODY[9] "x")\r\n{tag} OK done',
            "UID FETCH 1,2,3": "{tag} NO one of them is bad",
            "UID FETCH 2": "{tag} NO it is bad",
            "UID FETCH 2,3": "{tag} NO one of them is bad",
            "UID FETCH 3": "* 3 FETCH (UID 3 BODYSTRUCTURE " + STRUCTURE + ")\r\n{tag} OK done",
        }
    )
    with Scripted(script) as server:
        client = await asyncio.to_thread(connect_imap, at(server.port), password("x"), policy=make_policy())
        session = ImapSession(client)
        client.protocol.state = "SELECTED"
        found = await session.structures([1])
        assert len(found.get(1, ())) == count
        assert len({part.section for part in found.get(1, ())}) == count
        assert await session.sections([1], [("2", 4)]) == {1: {"2": b"abcd"}}
        assert set(await session.structures([1, 2, 3])) == {3} | ({1} if count else set())
        session.discard()


def test_headers_that_people_write_are_no_bounces() -> None:
    """Only a null return path, a mail system's name or a report makes one; however many words of it a header has."""
    assert may_be_bounce(b"From: =?utf-8?q?Mail?=\r\n Delivery <MAILER-DAEMON@x.test>\r\n")
    assert may_be_bounce(b"Return-Path:\r\n <>\r\n")
    assert may_be_bounce(b"X: y\rReturn-Path: < >\rTo: me")
    assert may_be_bounce(b"Content-Type: Multipart/Report;\r\n")
    assert may_be_bounce(b"From: Provider\r\n <no-reply@x.test>\r\nSubject: =?utf-8?q?Unzustellbar?=\r\n")
    for block in (
        b"From: Shop <no-reply@x.test>\r\nSubject: Your order\r\n",
        b"From: No Reply <kim@x.test>\r\nSubject: Undelivered mail\r\n",
        b"Return-Path: <kim@x.test>\r\nFrom: kim@x.test\r\nReply-To: postmaster@x.test\r\nX-Loop: <>\r\n",
        b"From: Kim <kim@x.test>\r\nSubject: delivery of the bounce house, daemon\r\n",
    ):
        assert not may_be_bounce(block)
