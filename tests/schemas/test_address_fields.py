"""The addresses of a header field, well-formed and not."""

from __future__ import annotations

from email.utils import getaddresses
from random import Random

import pytest
from mailparser.utils import get_addresses

from schemas.addresses import normal_address
from schemas.header import MAX_VALUE, read_addresses
from tests.cpu_cost import MOST, growth


def read(value: bytes) -> list[str]:
    """Return the addresses of a field."""
    return [mailbox.address for mailbox in read_addresses(value, 1_000).mailboxes]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bob@x.de", ["bob@x.de"]),
        (b'"Bob, X" <BOB@X.de>', ["bob@x.de"]),
        (b'a@b.c, "d" <e@f.g> (hi (x) y), undisclosed-recipients:;', ["a@b.c", "e@f.g"]),
        (b"Team: a@b.c, Bea <d@e.f>;", ["a@b.c", "d@e.f"]),
        (b"<@relay.test,@other.test:me@x.y>", ["me@x.y"]),
        (b"c <c@(Chris's host.)public.example>", ["c@public.example"]),
        ("müller@bücher.de".encode(), ["müller@xn--bcher-kva.de"]),
        (b'"joe"@x.y', ["joe@x.y"]),
        (b'"bob@acme.com via List" <list@x.y>', ["list@x.y"]),
        (b"=?utf-8?q?bob=40acme.com?= <list@x.y>", ["list@x.y"]),
        (b"bob@acme.com <list@x.y>", ["list@x.y"]),
        (b"undisclosed-recipients:;", []),
        (b'"\x95\\" <a@x.y>, b@x.y', ["a@x.y", "b@x.y"]),  # Shift JIS, where a backslash is half a character
        (b'\x1b$B"(<,\x1b(B <a@x.y>, b@x.y', ["a@x.y", "b@x.y"]),  # ISO-2022-JP
        (b"", []),
    ],
)
def test_well_formed_field(value: bytes, expected: list[str]) -> None:
    """A well-formed field has exactly its addresses: what a display name says is none. Nothing is noted."""
    found = read_addresses(value, 1_000)
    assert ([mailbox.address for mailbox in found.mailboxes], found.unread, found.repaired) == (expected, 0, False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Foo <a@b.c", ["a@b.c"]),
        (b"Foo <a@b.c, Bar <d@e.f>", ["a@b.c", "d@e.f"]),
        (b'"Foo <a@b.c>', ["a@b.c"]),
        (b'Kim <k@x.y>, "Open <a@b.c>, Lou <l@x.y>', ["k@x.y", "a@b.c", "l@x.y"]),
        (b"Kim <k@x.y>, Max (Sales <a@b.c>, Lou <l@x.y>", ["k@x.y", "a@b.c", "l@x.y"]),
        (b"Kim <k@x.y>; Sales: EMEA <a@b.c>; Lou <l@x.y>", ["k@x.y", "a@b.c", "l@x.y"]),
        (b"Re: Kim <k@x.y>, Lou <l@x.y>", ["k@x.y", "l@x.y"]),
        (b"a@b.c d@e.f", ["a@b.c", "d@e.f"]),
        (b"<a@b.c> <d@e.f>", ["a@b.c", "d@e.f"]),
        (b"<a@b.c, d@e.f>", ["a@b.c", "d@e.f"]),
        (b"Kim <Client> <k@x.y>", ["k@x.y"]),
        (b"'a@b.c' <'a@b.c'>", ["a@b.c"]),
        (b"Kim <<k@x.y>>", ["k@x.y"]),
        (b"=?utf-8?B?Rm9vIDxhQGIuYz4=?=", ["a@b.c"]),
        (b"mailto:a@b.c", ["a@b.c"]),
        (b"Kim <mailto:k@x.y?subject=hi>", ["k@x.y"]),
        (b'"Kim, <k@x.y>"', ["k@x.y"]),
        (b"Kim <kim.@x.y>, a..b@x.y, .c@x.y", ["kim.@x.y", "a..b@x.y", ".c@x.y"]),
        (b'Kim <"kim."@x.y.>', ["kim.@x.y"]),
        (b"Kim k@x.y", ["k@x.y"]),
        (b"kim @ x.y", ["kim@x.y"]),
        ("Kim <kim\uff20x.y\xa0>".encode(), ["kim@x.y"]),
        ("\u200bkim@x.y\u200b".encode(), ["kim@x.y"]),
        (b"Kim <" + b"r" * 80 + b"@x.y>", ["r" * 80 + "@x.y"]),
    ],
)
def test_malformed_field(value: bytes, expected: list[str]) -> None:
    """A malformed field has the addresses that mail programs show."""
    assert read(value) == expected
    assert read_addresses(value, 1_000).unread == 0


@pytest.mark.parametrize(
    ("value", "unread"),
    [
        (b"a@b.test\xfc\xfc", 1),
        (b'"a b"@x.y, c@x.y', 1),
        (b"a@b@c.d, <e@f@g.h>", 2),
        (b"a@x.y <b@[1.2.3.4]>", 1),
        (b"Kim <kim@>", 1),
        (b"<Undisclosed Recipients@x.y>", 1),
        (b"root, Mail Delivery System", 0),
    ],
)
def test_unreadable_mailboxes_are_counted(value: bytes, unread: int) -> None:
    """What has an ``@`` and is no address that can be compared is counted; a name without one is not."""
    assert read_addresses(value, 1_000).unread == unread


NAMES = ("", "Kim", '"Client, Kim"', '"Kim \\"K\\" C."', "Kim Client", '"kim@claims.example"', "=?utf-8?q?K=C3=AFm?=")


@pytest.mark.parametrize("seed", range(10))
def test_well_formed_lists_are_read_as_other_readers_read_them(seed: int) -> None:
    """On well-formed lists, the standard library and mail-parser say the same."""
    random = Random(seed)
    for _ in range(50):
        people = []
        for number in range(random.randint(1, 6)):
            name, address = random.choice(NAMES), f"p{number}.{random.choice('abc')}+x@{random.choice('de')}.example"
            comment = random.choice(("", "", " (a comment)", " (with (another), in it)"))
            people.append(f"{name} <{address}>" if name else address + comment)
        text = random.choice((", ", ",", ",\r\n ", " , ")).join(people)
        expected = [normal_address(address) for _, address in getaddresses([text.replace("\r\n", "")])]
        assert read(text.encode()) == expected == [address for _, address in get_addresses(text.replace("\r\n", ""))]


@pytest.mark.parametrize(
    "hostile",
    [
        *(
            b'"\\',
            b'\\"',
            b"(",
            b"(a",
            b"\\(",
            b"(\\(",
            b"((a)",
            b"<",
            b"<a",
            b"@",
            b"a@",
            b"a@b.c,",
            b":",
            b" ",
            b"\r\n ",
        ),
        *(b"=?u?q?a?=", b"=?u?q?a", b"<a@b> ", b"\r", b"\xff@", b"\x1b$B", b'"a" ', b'"a"@', b"'", b". ", b"a b "),
    ],
)
def test_hostile_field_takes_linear_time(hostile: bytes) -> None:
    """The CPU time of reading any one thing again and again grows no faster than its size, and nothing is raised."""
    values = {size: b'"a" x <' + hostile * (MAX_VALUE // 4 // len(hostile) * size) for size in (1, 4)}
    assert growth(lambda size: read_addresses(values[size][7:], 1_000)) < MOST
    assert growth(lambda size: read_addresses(values[size], 1_000)) < MOST


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"Kim Client <k@x.y>", "Kim Client"),
        (b'"Client, \\"Kim\\"" <k@x.y>', 'Client, "Kim"'),
        (b"k@x.y (Kim, the Client)", "Kim, the Client"),
        (b"Kim (Sales) <k@x.y>", "Kim (Sales)"),
        (b"(Kim) <k@x.y>", "Kim"),
        (b"K@X.y <k@x.y>", ""),
        (b"Kim <Client> <k@x.y>", "Kim"),
        (b"Kim Client k@x.y", "Kim Client"),
        (b"=?utf-8?q?K?= <k@x.y>", "=?utf-8?q?K?="),  # the parser decodes it
    ],
)
def test_name_of_a_mailbox(value: bytes, name: str) -> None:
    """The name is what is in front of the address, or the comment behind it."""
    assert [mailbox.name for mailbox in read_addresses(value, 1_000).mailboxes] == [name]


def test_no_more_than_asked_for() -> None:
    """A list of thousands is cut."""
    assert len(read_addresses(b", ".join(b"u%d@x.y" % number for number in range(3_000)), 1_000).mailboxes) == 1_000
    assert len(read_addresses(b" ".join(b"u%d@x.y" % number for number in range(3_000)), 1_000).mailboxes) == 1_000
