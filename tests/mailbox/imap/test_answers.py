"""What servers answer, as imaplib hands it over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.mailbox.imap import MailboxEvents, answers
from services.mailbox.imap.answers import Listed
from services.mailbox.imap.protocol.response_lines import with_implied
from tests.cpu_cost import MOST, growth


def test_fetch_with_literals_and_quoted_strings() -> None:
    """Attributes come in any order, values as literals, quoted strings or NIL; a message without UID is left out."""
    found = answers.fetched(
        [
            (rb'1 (FLAGS (\Seen $Fwd) INTERNALDATE " 1-Feb-2026 10:00:00 +0200" UID 7 RFC822.SIZE 9 BODY[HEADER] {4}', b"a: b"),
            b")",
            b'2 (BODY[HEADER] "c: \\"d\\"" UID 8 FLAGS ())',
            b"3 (FLAGS (\\Seen))",
            b"4 (UID 9 BODY[] NIL)",
            (b'5 (X-GM-LABELS ("\\\\Inbox" {3}', b"a b"),
            b') UID 10 BODY[HEADER] "" MODSEQ (12))',
        ]
    )  # fmt: skip
    assert [message.uid for message in found] == [7, 8, 9, 10]
    assert found[0].flags == ("\\Seen", "$Fwd")
    assert found[0].internal_date == datetime(2026, 2, 1, 8, tzinfo=UTC)
    assert (found[0].size, found[0].header) == (9, b"a: b")
    assert found[1].header == b'c: "d"'
    assert found[2].body is None
    assert found[3].labels == ("\\Inbox", "a b")
    assert (found[3].modseq, found[3].header) == (12, b"")


@pytest.mark.parametrize("hostile", [b'\\"', b"a[ ", b'"', b"[", b"(", b"{1"])
def test_hostile_answers_take_linear_time(hostile: bytes) -> None:
    """A line of a FETCH answer may have megabytes, whatever is in it."""
    lines = {size: b'1 (UID 1 "' + hostile * 8_000 * size for size in (1, 4)}
    assert growth(lambda size: answers.fetched([lines[size]])) < MOST


def test_hostile_fetch_answers_raise_nothing() -> None:
    """Unbalanced brackets, odd numbers of items and missing literals cost the message, never the answer."""
    junk = [
        b"1 (UID",
        b")))",
        b"",
        None,
        b"3 (UID 5 FLAGS ((((",
        b'4 ("',
        b"5 UID 6",
        b"6 ({9} UID 7)",
    ]
    assert [message.uid for message in answers.fetched([*junk, b"7 (UID 42 FLAGS (a))"])][-1] == 42


@pytest.mark.parametrize(
    "text", [b"1-Foo-2026 10:00:00 +0000", b"31-Feb-2026 10:00:00 +0000", b"", b"x", b"1-Jan-0001 00:00:00 +1400"]
)
def test_unreadable_dates(text: bytes) -> None:
    """A date that cannot be is no date."""
    assert answers.internal_date(text) is None


def test_list_keeps_every_entry_apart() -> None:
    """One malformed name costs no other folder; raw bytes are kept as they came."""
    found = answers.listed(
        [
            rb'(\HasNoChildren \Sent) "/" "Gesendet &APw-ber"',
            b'() "." INBOX',
            (b"(\\Marked) NIL {6}", b'a"b\xffc '),
            b"",
            b"garbage",
            b'() "/" "broken &***-"',
            b'() "/" "quo\\"te\\\\d"',
            b'() "/" [Gmail]/All Mail',
            b'(\\HasChildren) "/" "Ext" ("CHILDINFO" ("SUBSCRIBED"))',
        ]
    )
    assert found == [
        Listed(b"Gesendet &APw-ber", "/", frozenset({"\\hasnochildren", "\\sent"})),
        Listed(b"INBOX", ".", frozenset()),
        Listed(b'a"b\xffc ', None, frozenset({"\\marked"})),
        Listed(b"LIST garbage", None, frozenset({"unreadable-line"})),
        Listed(b"broken &***-", "/", frozenset()),
        Listed(b'quo"te\\d', "/", frozenset()),
        Listed(b"[Gmail]/All Mail", "/", frozenset()),
        Listed(b"Ext", "/", frozenset({"\\haschildren"})),
    ]


def test_status_search_vanished_and_sets() -> None:
    """STATUS by raw name, SEARCH with a MODSEQ at its end, VANISHED as ranges, sets with neighbours joined."""
    assert answers.statuses([b'"a (b)" (MESSAGES 3 UIDNEXT 9 HIGHESTMODSEQ 12)', b"INBOX (MESSAGES 0)"]) == {
        b"a (b)": {"messages": 3, "uidnext": 9, "highestmodseq": 12},
        b"INBOX": {"messages": 0},
    }
    assert answers.searched([b"5 3 4 (MODSEQ 917162500)", b""]) == [3, 4, 5]
    assert answers.uid_ranges([b"(EARLIER) 300:310,405", b"9:7"]) == [(300, 310), (405, 405), (7, 9)]
    assert answers.number([b"NIL"]) is None
    assert answers.number([b"7"]) == 7
    assert answers.uid_set([9, 1, 2, 3, 7]) == "1:3,7,9"


def test_what_a_server_says_by_itself() -> None:
    """Each line of IDLE and NOTIFY means one thing; a name that comes as a literal means: look everywhere."""
    events = MailboxEvents()
    for line in (b"* OK Still here", b"* 3 RECENT", b"* FLAGS (a)", b"* CAPABILITY X"):
        events.add(line)
    assert not events
    events.add(b"* 4 EXISTS")
    events.add(b"* 2 FETCH (FLAGS (\\Seen))")
    events.add(b"* VANISHED 5:7")
    events.add(b'* STATUS "a b" (MESSAGES 1 UIDNEXT 2)')
    assert (events.new, events.flags, events.expunged, set(events.others), events.everything) == (
        True,
        True,
        True,
        {b"a b"},
        False,
    )
    events.add(b"* STATUS {5}")
    assert events.everything


def test_connections_share_what_their_servers_offer() -> None:
    """Equal capabilities are one tuple; a very long list is kept by no one."""
    assert with_implied(["IMAP4REV1", "IDLE", "IDLE"]) is with_implied(("IMAP4REV1", "IDLE"))
    many = [f"X{number}" for number in range(1000)]
    assert with_implied(many) is not with_implied(many)
