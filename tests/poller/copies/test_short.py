"""Mail of which a server delivers a part: the rest is asked for, and what stays short is taken late, with a mark."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from testbed.servers.scripted import Call, Dialect, ImapFault, ScriptedServer
from tests.conftest import MailUser
from tests.poller.fixtures import CLIENT, PollerEnvironment, mail, until

USER = MailUser("me@company.test", "secret")
_LITERAL = re.compile(rb"BODY\[\](?:<(\d+)>)? \{(\d+)\}\r\n")


@dataclass
class Shorten(ImapFault):
    """Leaves out what lies beyond a place of the mail."""

    command: str = "UID FETCH"
    end: int = 0

    def after(self, call: Call, lines: list[bytes]) -> list[bytes]:
        """Return the answer with shorter literals, which say so."""
        return [self._shortened(line) for line in lines]

    def _shortened(self, line: bytes) -> bytes:
        found = _LITERAL.search(line)
        if not found:
            return line
        offset, size = int(found[1] or 0), int(found[2])
        kept = max(0, min(size, self.end - offset))
        what = b"BODY[]" + (b"<%d>" % offset if found[1] else b"")
        rest = line[found.end() + size :]
        return line[: found.start()] + what + b" {%d}\r\n" % kept + line[found.end() : found.end() + kept] + rest


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A scripted server."""
    async with ScriptedServer() as server:
        yield server


LARGE = mail(CLIENT, body="x" * 5_000_000)
SMALL = mail(CLIENT, body="y" * 50_000)
PARTS = mail(
    CLIENT, extra="Content-Type: multipart/mixed; boundary=b1\r\n", body="--b1\r\n\r\n" + "z" * 9_000 + "\r\n--b1--\r\n"
)


async def test_a_short_piece_is_not_the_end(world: PollerEnvironment, server: ScriptedServer) -> None:
    """Where the server delivers the rest when it is asked for, every mail is whole."""
    box = server.add(USER.address, USER.password)
    for raw in (LARGE, SMALL, PARTS):
        box.add(raw)
    box.faults += [
        Shorten(uid=1, what="piece", times=1, end=500_000),
        Shorten(uid=2, what="body", end=10_000),
        Shorten(uid=3, what="body", end=8_000),
    ]
    await world.know(CLIENT)
    account = await world.connect(USER, port=(await server.listen(Dialect())).port)
    world.start_poller(evidence_seconds="60")
    await world.complete(account)
    assert {raw for _, raw in world.fetched} == {LARGE, SMALL, PARTS}
    assert not any(row.short or row.doubt for row in await world.rows(account))


async def test_what_stays_short_is_taken_late(world: PollerEnvironment, server: ScriptedServer) -> None:
    """It is not taken at once; when the server delivers no more of it later, it is, and the row says how much it lacks."""
    box = server.add(USER.address, USER.password)
    for raw in (LARGE, SMALL):
        box.add(raw)
    box.faults += [Shorten(uid=1, end=500_000), Shorten(uid=2, end=10_000)]
    await world.know(CLIENT)
    account = await world.connect(USER, port=(await server.listen(Dialect())).port)
    world.start_poller(evidence_seconds="3")

    async def doubted() -> bool:
        return {row.doubt for row in await world.rows(account)} == {"short-body"}

    await until(doubted, "both are doubted", world)
    assert not world.fetched
    await world.complete(account)
    assert sorted(len(raw) for _, raw in world.fetched) == [10_000, 500_000]
    rows = {row.uid: row for row in await world.rows(account)}
    assert {uid: (row.state.value, row.short) for uid, row in rows.items()} == {
        1: ("attached", len(LARGE) - 500_000),
        2: ("attached", len(SMALL) - 10_000),
    }
    totals = await world.store.ledger_counts.totals(account.id)
    assert sum(folder.short for folder in totals.values()) == 2
