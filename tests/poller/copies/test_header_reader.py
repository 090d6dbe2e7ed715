"""Headers are read beside the event loop, in bounded pieces, and as far as the parser reads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from services.mailbox.imap import ConnectionLostError, Fetched, ImapSession
from services.poller.copies import headers
from services.poller.copies.account_context import AccountContext, Marker
from services.poller.copies.doubts import Suspects
from services.poller.copies.header_reader import PEOPLE, PIECE, SLICE, MessageHeader, read_headers
from services.poller.copies.headers import MAX_HEADER
from services.poller.copies.metrics import PollerMetrics
from tests.poller.fixtures import SECRET

MARKER = Marker({"test": bytes.fromhex(SECRET)}, "test")


def context_of() -> AccountContext:
    """Return what reading headers needs of a context."""
    account = SimpleNamespace(own_addresses=frozenset({"me@company.test"}))

    async def follow_key() -> None:
        """Keep the key."""

    made = SimpleNamespace(account=account, marker=MARKER, former=(), readers=None, follow_key=follow_key)
    made.suspects = Suspects()
    made.metrics = PollerMetrics(CollectorRegistry())
    return cast("AccountContext", made)


class Session:
    """A server that has the rest of headers."""

    selected = b"INBOX"

    def __init__(self, rest: bytes | None = None, most: int = PIECE) -> None:
        self.rest = rest
        self.most = most
        """Bytes of an answer at most."""
        self.start: int | None = None
        self.asked: list[tuple[int, int, int]] = []

    async def header_rest(self, uid: int, offset: int, size: int) -> bytes | None:
        """Return the rest."""
        self.asked.append((uid, offset, size))
        if self.rest is None:
            return None
        self.start = self.asked[0][1] if self.start is None else self.start
        return self.rest[offset - self.start :][: min(size, self.most)]


async def read_all(
    context: AccountContext, messages: Sequence[Fetched], session: Session | None = None
) -> list[list[MessageHeader]]:
    """Return the groups in which messages are read."""
    groups: list[list[MessageHeader]] = []
    while messages:
        group, messages = await read_headers(context, cast("ImapSession", session or Session()), messages)
        groups.append(group)
    return groups


def crowd(uid: int, people: int) -> Fetched:
    """Return a message to many people."""
    block = b"To: " + b",".join(b"u%d.%d@crowd.test" % (uid, number) for number in range(people)) + b"\r\n\r\n"
    return Fetched(uid, header=block)


async def test_headers_are_read_beside_the_loop_in_order_and_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one is read on the event loop's thread; the order is kept; the loop has its turn after each slice."""
    threads: list[threading.Thread] = []
    read = headers.read

    def noting(block: bytes) -> headers.HeaderFacts:
        threads.append(threading.current_thread())
        return read(block)

    monkeypatch.setattr(headers, "read", noting)
    messages = [Fetched(uid, header=b"From: u%d@x.test\r\nX: " % uid + b"y" * 4_000) for uid in range(1, 201)]
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count_turns())
    groups = await read_all(context_of(), messages)
    counter.cancel()
    assert [header.message.uid for group in groups for header in group] == list(range(1, 201))
    assert [header.facts.participants for header in groups[0][:2]] == [{"u1@x.test"}, {"u2@x.test"}]
    assert len(groups) == 1
    assert len(threads) == 200
    assert threading.current_thread() not in threads
    assert turns >= 200 * 4_000 // (SLICE + 4_000)


async def test_groups_are_bounded_by_their_people() -> None:
    """A window of mail to very many people is decided on and written in parts."""
    groups = await read_all(context_of(), [crowd(uid, 1_500) for uid in range(1, 21)])
    assert [header.message.uid for group in groups for header in group] == list(range(1, 21))
    sizes = [len({name for header in group for name in header.facts.participants}) for group in groups]
    assert len(groups) > 3
    assert max(sizes) < PEOPLE + 2 * SLICE // 20


async def test_hostile_headers_leave_the_loop_its_turns() -> None:
    """However long the headers of a window take, the longest time without a turn of the loop is a small part of it."""
    messages = [crowd(uid, 1_900) for uid in range(1, 31)]
    longest = 0.0

    async def measure() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            longest, last = max(longest, (now := time.perf_counter()) - last), now

    ratios = []
    for _ in range(3):  # a pause of the machine may have hit one run
        longest = 0.0
        task = asyncio.create_task(measure())
        started = time.perf_counter()
        await read_all(context_of(), messages)
        ratios.append(longest / (time.perf_counter() - started))
        task.cancel()
    assert min(ratios) < 0.25


@pytest.mark.parametrize("length", [0, 10, 200_000])
async def test_long_header_is_read_to_its_end(length: int) -> None:
    """The rest is fetched; the whole header is marked, as one that came in one piece."""
    begin, rest = b"X: " + b"y" * 100 + b"\r\n", b"Z: " + b"z" * length + b"\r\nFrom: late@x.test\r\n\r\n"
    context, session = context_of(), Session(rest)
    ((header,),) = await read_all(context, [Fetched(7, header=begin, header_cut=True)], session)
    assert {size for _, _, size in session.asked} == {PIECE}
    assert [offset for _, offset, _ in session.asked] == [
        len(begin) + PIECE * number for number in range(len(rest) // PIECE + 1)
    ]
    assert header.facts.participants == {"late@x.test"}
    assert header.facts.whole
    assert header.mark == MARKER.of_header(begin + rest)
    assert header.marks == MARKER.of_row(header.facts, ())


async def test_header_without_end_has_no_mark() -> None:
    """Two headers that are the same as far as they are read may differ: they are no twins. What is read of them counts."""
    context, session = context_of(), Session(b"y" * MAX_HEADER + b"\r\nFrom: beyond@x.test\r\n")
    begin = b"From: a@x.test\r\nX: "
    ((header,),) = await read_all(context, [Fetched(7, header=begin, header_cut=True)], session)
    assert header.mark == b""
    assert header.facts.participants == {"a@x.test"}
    assert not header.facts.whole
    assert max(offset + size for _, offset, size in session.asked) == MAX_HEADER + 1
    counted: Any = context.metrics.long_headers
    assert counted.labels("cut")._value.get() == 1


async def test_a_server_that_returns_less_than_it_is_asked_for() -> None:
    """The header ends with its blank line, not with a short answer."""
    rest = b"X: " + b"y" * 30_000 + b"\r\nCc: late@x.test\r\n\r\n"
    session = Session(rest, most=1_000)
    ((header,),) = await read_all(context_of(), [Fetched(7, header=b"From: a@x.test\r\n", header_cut=True)], session)
    assert header.facts.participants == {"a@x.test", "late@x.test"}
    assert header.facts.whole
    assert header.mark


async def test_rest_that_the_server_withholds_is_unknown() -> None:
    """Nobody knows who is named there."""
    ((header,),) = await read_all(context_of(), [Fetched(7, header=b"From: a@x.test\r\n", header_cut=True)])
    assert (header.facts.whole, header.mark, header.withheld) == (False, b"", True)


async def test_rest_that_breaks_the_connection_counts_as_withheld_in_the_end() -> None:
    """The mail is asked for three times; then the other mail of its batch goes on."""

    class Breaking(Session):
        async def header_rest(self, uid: int, offset: int, size: int) -> bytes | None:
            """Lose the connection."""
            self.asked.append((uid, offset, size))
            raise ConnectionLostError("the server closed the connection")

    context, session = context_of(), Breaking()
    messages = [Fetched(7, header=b"From: a@x.test\r\n", header_cut=True), Fetched(8, header=b"From: b@x.test\r\n\r\n")]
    for _ in range(3):
        with pytest.raises(ConnectionLostError):
            await read_all(context, messages, session)
    ((cut, whole),) = await read_all(context, messages, session)
    assert (cut.withheld, whole.withheld, len(session.asked)) == (True, False, 3)


async def test_marks_of_former_keys_are_made_while_the_key_changes() -> None:
    """A copy of mail that another key marked is found: the whole header is hashed by every key in use."""
    old = Marker({"old": b"o" * 32}, "old")
    context = context_of()
    context.former = (old,)
    ((header,),) = await read_all(context, [Fetched(1, header=b"From: a@x.test\r\n\r\n")])
    assert header.former_marks == (old.of_header(b"From: a@x.test\r\n\r\n"),)
    assert header.marker is MARKER
    ((cut,),) = await read_all(context, [Fetched(1, header=b"From: a@x.test\r\n", header_cut=True)])
    assert cut.former_marks == ()
