"""Answers that differ from RFC 3501's letter and mean the same; and numbers that cannot be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.mailbox.connection import ConnectPolicy, password
from services.mailbox.imap import ContradictionError, ImapSession, MailboxEvents, answers, connect_imap
from services.mailbox.imap.answers import Listed
from services.mailbox.imap.uids import PARTS, split_range
from tests.mailbox.scripted_server import Scripted, at, imap

EXAMINED = "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 10] x\r\n* OK [HIGHESTMODSEQ 5] x\r\n{tag} OK done"
PLAIN: frozenset[str] = frozenset()


async def asked(
    policy: ConnectPolicy, answers: dict[str, str], capability: str = "IMAP4rev1 AUTH=PLAIN"
) -> ImapSession:
    """Return a session that has opened INBOX on a server with these answers. The server ends with the test's process."""
    server = Scripted(imap({"EXAMINE": EXAMINED, **answers}, capability=capability)).__enter__()
    session = ImapSession(connect_imap(at(server.port), password("secret"), policy=policy))
    assert await session.examine(b"INBOX") == (3, 7, 10, 5)
    return session


@pytest.mark.parametrize(
    "form",
    [
        "* 3 exists\r\n* ok [uidvalidity 7]\r\n* ok [uidnext 10]\r\n* ok [highestmodseq 5]\r\n{tag} ok",
        "*  3   EXISTS\r\n*  OK  [UIDVALIDITY  7]  x\r\n* OK [UIDNEXT 10] [x]\r\n* OK [HIGHESTMODSEQ 5]\r\n{tag}  OK  done",
        "*3 EXISTS\r\n*OK [UIDVALIDITY 7]x\r\n* OK[UIDNEXT 10] x\r\n* OK [HIGHESTMODSEQ 5] x\r\n{tag} OK",
        "* 3 EXISTS\n* OK [UIDVALIDITY 7] x\n* OK [UIDNEXT 10] x\n* OK [HIGHESTMODSEQ 5] x\n{tag} OK done",
        (
            "* 3 EXISTS\r\n\r\n* OK [UIDVALIDITY 7] x\r\n* XYZZY {5}\r\nab\r\nc\r\n* OK [UIDNEXT 10] x {3}\r\n"
            "* OK [HIGHESTMODSEQ 5] x\r\n{tag} OK [READ-ONLY] done"
        ),
        "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [HIGHESTMODSEQ 5]\r\n{tag} OK [UIDNEXT 10] done",
    ],
    ids=["lower case", "many spaces", "no spaces", "bare line feeds", "foreign responses", "code in the tagged answer"],
)
async def test_the_same_in_other_words(policy: ConnectPolicy, form: str) -> None:
    """Case, spaces, line ends, and responses that no one knows make no difference."""
    await asked(policy, {"EXAMINE": form})


async def test_searches_are_answered_in_both_forms(policy: ConnectPolicy) -> None:
    """SEARCH and ESEARCH (RFC 4731, the only form of IMAP4rev2) mean the same; what was not asked for is left out."""
    for answer, uids in {
        "* SEARCH 3 1 2 900": [1, 2, 3],
        "* search 1\r\n* SEARCH 2 3": [1, 2, 3],
        '* ESEARCH (TAG "x") UID ALL 1:2,7': [1, 2, 7],
        '* ESEARCH (TAG "x") UID COUNT 3 ALL 7:1': [1, 2, 3, 4, 5, 6, 7],
        '* ESEARCH (TAG "x") UID': [],
        "* SEARCH": [],
        "* SEARCH 5 (MODSEQ 917)": [5],
        "": [],
    }.items():
        session = await asked(policy, {"UID SEARCH": f"{answer}\r\n{{tag}} OK done"})
        assert await session.uids(1, 9) == uids
        session.discard()


async def test_imap4rev2_alone_is_imap(policy: ConnectPolicy) -> None:
    """A server that has only IMAP4rev2 (RFC 9051) can be used, with what that includes."""
    session = await asked(policy, {}, "IMAP4rev2 AUTH=PLAIN")
    assert {"IDLE", "NAMESPACE", "LIST-STATUS"} <= session.capabilities
    session.discard()


async def test_literals_in_any_form(policy: ConnectPolicy) -> None:
    """``~{n}`` (binary, RFC 3516) and ``{n+}`` are literals; the text around them may be odd."""
    answer = "* 1 fetch (uid 1 body[] ~{4}\r\nabcd flags ())\r\n* 2 FETCH (UID 2 BODY[] {2+}\r\nxy)\r\n{tag} OK done"
    session = await asked(policy, {"UID FETCH": answer})
    assert await session.bodies([1, 2]) == {1: b"abcd", 2: b"xy"}
    session.discard()


def test_folders_in_any_form() -> None:
    """Delimiters without quotes, missing spaces, NIL in any case; INBOX is one folder however it is written."""
    found = answers.listed(
        [
            b"(\\HasNoChildren) / Sent",
            b'(\\HasNoChildren)"/""Drafts"',
            b'() "" Flat',
            b'() nil "a"',
            b"() . Nil.b",
            b'(\\Marked) "/" inbox',
            b'(\\HasNoChildren) "/" "Inbox"',
            b'() "/" "Inbox/b"',
        ]
    )
    assert found == [
        Listed(b"Sent", "/", frozenset({"\\hasnochildren"})),
        Listed(b"Drafts", "/", frozenset({"\\hasnochildren"})),
        Listed(b"Flat", None, PLAIN),
        Listed(b"a", None, PLAIN),
        Listed(b"Nil.b", ".", PLAIN),
        Listed(b"INBOX", "/", frozenset({"\\marked", "\\hasnochildren"})),
        Listed(b"Inbox/b", "/", PLAIN),
    ]
    assert answers.statuses([b"Inbox (MESSAGES 1 HIGHESTMODSEQ NIL)", b'"b"(uidnext 3)']) == {
        b"INBOX": {"messages": 1},
        b"b": {"uidnext": 3},
    }


HUGE = str(2**63)
IMPOSSIBLE = {
    "uid 0": ("UID FETCH", "* 1 FETCH (UID 0 FLAGS ())"),
    "uid beyond 32 bits": ("UID FETCH", f"* 1 FETCH (UID {2**32} FLAGS ())"),
    "uid of a thousand digits": ("UID FETCH", f"* 1 FETCH (UID {'9' * 5_000} FLAGS ())"),
    "negative uid": ("UID FETCH", "* 1 FETCH (UID -5 FLAGS ())"),
    "uid in words": ("UID FETCH", "* 1 FETCH (UID five FLAGS ())"),
    "size beyond 63 bits": ("UID FETCH", f"* 1 FETCH (UID 1 RFC822.SIZE {HUGE} FLAGS ())"),
    "negative size": ("UID FETCH", "* 1 FETCH (UID 1 RFC822.SIZE -1 FLAGS ())"),
    "modseq beyond 63 bits": ("UID FETCH", f"* 1 FETCH (UID 1 MODSEQ ({HUGE}) FLAGS ())"),
    "expunged uid beyond 32 bits": ("UID FETCH", f"* VANISHED (EARLIER) 1:{2**32}"),
    "found uid beyond 32 bits": ("UID SEARCH", f"* SEARCH 1 {2**32}"),
    "found uid 0": ("UID SEARCH", "* SEARCH 0"),
    "negative found uid": ("UID SEARCH", "* SEARCH 1 -5"),
    "search in words": ("UID SEARCH", "* SEARCH none"),
    "exists beyond 32 bits": ("EXAMINE", f"* {2**32} EXISTS"),
    "negative uidnext": ("EXAMINE", "* OK [UIDNEXT -1] x"),
    "uidnext beyond 32 bits": ("EXAMINE", f"* OK [UIDNEXT {2**32 + 1}] x"),
    "uidvalidity beyond 32 bits": ("EXAMINE", f"* OK [UIDVALIDITY {HUGE}] x"),
    "uidvalidity in words": ("EXAMINE", "* OK [UIDVALIDITY x] x"),
    "highestmodseq beyond 63 bits": ("EXAMINE", f"* OK [HIGHESTMODSEQ {HUGE}] x"),
    "status uidnext beyond 32 bits": ("STATUS", f"* STATUS INBOX (UIDNEXT {2**32})"),
    "negative status": ("STATUS", "* STATUS INBOX (MESSAGES -1)"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
async def test_numbers_that_cannot_be(policy: ConnectPolicy, case: str) -> None:
    """A number out of its range is a contradiction with a reason, not a value."""
    command, answer = IMPOSSIBLE[case]
    session = await asked(policy, {} if command == "EXAMINE" else {command: f"{answer}\r\n{{tag}} OK done"})
    if command == "EXAMINE":
        session.discard()
        with Scripted(imap({"EXAMINE": f"{answer}\r\n{{tag}} OK done"})) as server:
            session = ImapSession(connect_imap(at(server.port), password("secret"), policy=policy))
            with pytest.raises(ContradictionError, match="out-of-range"):
                await session.examine(b"INBOX")
        return
    session.announces_vanished = True
    ask: dict[str, Callable[[], Awaitable[object]]] = {
        "UID SEARCH": lambda: session.uids(1, 2**32 - 1),
        "STATUS": lambda: session.status(b"INBOX"),
        "UID FETCH": lambda: session.flags("1:*", since=1),
    }
    with pytest.raises(ContradictionError, match=r"out-of-range|unreadable"):
        await ask[command]()


async def test_one_message_in_several_answers_is_one(policy: ConnectPolicy) -> None:
    """What a server says of a message in two responses is put together, and the last counts."""
    answer = (
        "* 1 FETCH (UID 5 FLAGS (a))\r\n* 1 FETCH (UID 4 FLAGS (c))\r\n"
        "* 1 FETCH (UID 5 FLAGS (b) RFC822.SIZE 7)\r\n{tag} OK done"
    )
    session = await asked(policy, {"UID FETCH": answer})
    found, _ = await session.flags("1:*")
    assert sorted((message.uid, message.flags, message.size) for message in found) == [
        (4, ("c",), None),
        (5, ("b",), 7),
    ]
    session.discard()


async def test_many_expunged_uids_become_one_range(policy: ConnectPolicy) -> None:
    """Each uid is asked for before it counts as gone: a range that covers too much costs a question, not memory."""
    ranges = answers.uid_ranges([b",".join(b"%d" % uid for uid in range(1, 100_000, 2))])
    assert len(ranges) < 30_000
    assert (ranges[0][0], ranges[-1][1]) == (1, 99_999)


async def test_a_foreign_tag_is_no_answer(policy: ConnectPolicy) -> None:
    """An answer to a command that was never sent is not taken for the answer to this one."""
    session = await asked(policy, {"NOOP": "ZZ99 OK done\r\n{tag} OK done"})
    with pytest.raises(ContradictionError, match="unreadable-answer"):
        await session.noop()
    assert session.closed


def test_exists_that_is_known_is_no_event() -> None:
    """Microsoft 365 repeats EXISTS at each IDLE; after an expunge the same number is news."""
    events = MailboxEvents(exists=3)
    events.add(b"* 3 EXISTS")
    assert not events
    events.add(b"* 2 EXPUNGE")
    events.add(b"* 3 exists")
    assert events.expunged
    assert events.new


def test_flags_of_a_very_full_folder_are_asked_for_in_parts() -> None:
    """Without gap or overlap, in a bounded number of questions; any other set stays as it is."""
    assert split_range("1:4294967295", 250_001) == ["1:100000", "100001:200000", "200001:4294967295"]
    assert split_range("1:*", 250_001) == ["1:*"]
    assert split_range("1,5", 250_001) == ["1,5"]
    assert split_range("300000:4294967295", 250_001) == ["300000:4294967295"]
    assert len(split_range("1:4294967295", 4_294_967_295)) <= PARTS + 1


async def test_a_very_full_folder_changes_within_the_bounds(policy: ConnectPolicy) -> None:
    """Each answer names some of the messages; together they are all."""
    examined = EXAMINED.replace("* 3 EXISTS", "* 250000 EXISTS").replace("UIDNEXT 10", "UIDNEXT 250001")
    script = imap(
        {
            "EXAMINE": examined,
            "UID FETCH 1:": "* 1 FETCH (UID 1 FLAGS (a))\r\n* VANISHED (EARLIER) 7\r\n{tag} OK done",
            "UID FETCH 100001:": "* 2 FETCH (UID 100001 FLAGS (a))\r\n{tag} OK done",
            "UID FETCH 200001:": "* 3 FETCH (UID 200001 FLAGS (a))\r\n{tag} OK done",
        }
    )
    with Scripted(script) as server:
        session = ImapSession(connect_imap(at(server.port), password("secret"), policy=policy))
        await session.examine(b"INBOX")
        session.announces_vanished = True
        found, gone = await session.flags("1:4294967295", since=3)
        assert ([message.uid for message in found], gone) == ([1, 100_001, 200_001], [(7, 7)])
        session.discard()
